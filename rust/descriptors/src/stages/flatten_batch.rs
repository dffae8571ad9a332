//! `FlattenBatch`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::list_rows;

/// Turns batches back into rows: the inverse of the mini-batch stages.
///
/// Each row becomes one row per element of its arrays, which are flattened side by side. The other columns are repeated, and so
/// is the null of a null array. A row whose arrays are all null or empty is dropped. Arrays of different lengths in one row are
/// an error that names the columns and the row. Runs as one Python pass on Spark.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import FlattenBatch
table = pa.table({"a": [[1, 2], [3]], "b": [["x", "y"], ["z"]], "c": [7, 8]})
out = FlattenBatch().transform(table)
assert out.to_pydict() == {"a": [1, 2, 3], "b": ["x", "y", "z"], "c": [7, 7, 8]}
"#
)]
pub struct FlattenBatch {
    /// Names of the array columns to flatten. If not set, all array columns.
    #[param(non_empty, role = input, accepts(array))]
    pub cols: Option<Vec<String>>,
}

impl HasSample for FlattenBatch {
    fn sample() -> Sample {
        Sample::new(json!({"cols": ["words", "marks"]}), list_rows())
    }
}
