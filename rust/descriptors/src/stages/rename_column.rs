//! `RenameColumn`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Renames a column, which keeps its position and its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import RenameColumn
table = pa.table({"a": [1, 2], "b": [3, 4]})
out = RenameColumn(inputCol="a", outputCol="x").transform(table)
assert out.column_names == ["x", "b"]
"#
)]
pub struct RenameColumn {
    /// Name of the column to rename.
    #[param(required, non_empty, role = input, accepts(any))]
    pub input_col: String,
    /// Its new name. A column with that name must not exist.
    #[param(required, non_empty, role = output)]
    pub output_col: String,
}

impl HasSample for RenameColumn {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "name", "outputCol": "label"}), plain_rows())
    }
}
