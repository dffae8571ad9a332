//! `SelectColumns`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Keeps only the named columns, in the order given.
///
/// A column added by a native stage stays part of the single pass if the columns it is computed from are kept too.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    columns = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import SelectColumns
table = pa.table({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
out = SelectColumns(cols=["c", "a"]).transform(table)
assert out.column_names == ["c", "a"]
"#
)]
pub struct SelectColumns {
    /// Names of the columns to keep.
    #[param(required, non_empty, role = input, accepts(any))]
    pub cols: Vec<String>,
}

impl HasSample for SelectColumns {
    fn sample() -> Sample {
        Sample::new(json!({"cols": ["score", "id"]}), plain_rows())
    }
}
