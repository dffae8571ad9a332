//! `PartitionConsolidator`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Merges the partitions into few, so that few tasks run at a time: for work that is rate-limited.
///
/// On Spark this is `DataFrame.coalesce`: no shuffle, and what was computed before within the same Spark stage runs in as few
/// tasks too; put a `Cacher` or a `Repartition` before it where that is dear. More partitions than there are stay as they are.
/// A table has no partitions and is returned as it is.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import PartitionConsolidator
table = pa.table({"a": [1, 2]})
assert PartitionConsolidator(n=1).transform(table) is table
"#
)]
pub struct PartitionConsolidator {
    /// Number of partitions to merge into.
    #[param(default = 1, range(1, 1_000_000))]
    pub n: i64,
}

impl HasSample for PartitionConsolidator {
    fn sample() -> Sample {
        Sample::new(json!({"n": 1}), plain_rows())
    }
}
