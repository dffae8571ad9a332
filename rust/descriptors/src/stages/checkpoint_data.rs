//! `CheckpointData`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Cuts the plan: what was computed up to here is stored, and later passes start from there.
///
/// On Spark this is `DataFrame.localCheckpoint`: the rows lie on the executors, so they are lost with them. It keeps
/// the plans of iterative jobs short. A stream and a table are passed on as they are.
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
    /// Compute the rows now; otherwise the first action does.
    #[param(default = true)]
    pub eager: bool,
}

impl HasSample for CheckpointData {
    fn sample() -> Sample {
        Sample::new(json!({"eager": true}), plain_rows())
    }
}
