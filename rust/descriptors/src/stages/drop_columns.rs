//! `DropColumns`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Drops the named columns and keeps the others.
///
/// A column that does not exist is an error, unlike in `DataFrame.drop`, so that a misspelt name is not ignored silently.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import DropColumns
table = pa.table({"a": [1, 2], "b": [3, 4], "c": [5, 6]})
out = DropColumns(cols=["b"]).transform(table)
assert out.column_names == ["a", "c"]
"#
)]
pub struct DropColumns {
    /// Names of the columns to drop.
    #[param(required, non_empty, role = input, accepts(any))]
    pub cols: Vec<String>,
}

impl HasSample for DropColumns {
    fn sample() -> Sample {
        Sample::new(json!({"cols": ["name"]}), plain_rows())
    }
}
