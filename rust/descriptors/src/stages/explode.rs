//! `Explode`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::list_rows;

/// Adds one row for every element of an array column.
///
/// The other columns, including the array, are repeated. A null element becomes a row with a null. On Spark this is an
/// expression of the JVM.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import Explode
table = pa.table({"id": [1, 2], "words": [["a", "b"], []]})
out = Explode(inputCol="words", outputCol="word").transform(table)
assert out["word"].to_pylist() == ["a", "b"]
out = Explode(inputCol="words", outputCol="word", keepEmpty=True).transform(table)
assert out["word"].to_pylist() == ["a", "b", None]
"#
)]
pub struct Explode {
    /// Name of the array column.
    #[param(required, non_empty, role = input, accepts(array))]
    pub input_col: String,
    /// Name of the column of elements to add.
    #[param(default = uid("_output"), non_empty, role = output)]
    pub output_col: String,
    /// Add one row with a null for a null or empty array. Otherwise such rows are dropped.
    #[param(default = false)]
    pub keep_empty: bool,
}

impl HasSample for Explode {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "words", "outputCol": "word"}), list_rows())
    }
}
