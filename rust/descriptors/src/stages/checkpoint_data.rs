//! `CheckpointData`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Truncates the query plan: the rows computed so far are stored, and later passes start from them.
///
/// On Spark this is `DataFrame.localCheckpoint`: the rows are stored on the executors and are lost with them. It keeps the
/// plans of iterative jobs short. A stream and a table are returned unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import CheckpointData
table = pa.table({"a": [1, 2]})
assert CheckpointData().transform(table) is table
"#
)]
pub struct CheckpointData {
    /// Compute the rows now. Otherwise the first action computes them.
    #[param(default = true)]
    pub eager: bool,
}

impl HasSample for CheckpointData {
    fn sample() -> Sample {
        Sample::new(json!({"eager": true}), plain_rows())
    }
}
