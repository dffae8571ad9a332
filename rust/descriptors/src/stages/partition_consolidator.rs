//! `PartitionConsolidator`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Merges partitions so that few tasks run at a time, for work that is rate-limited.
///
/// On Spark this is `DataFrame.coalesce`. There is no shuffle, so earlier steps in the same Spark stage run in as few tasks
/// too. If they are costly, put a `Cacher` or a `Repartition` before this stage. The number of partitions is never increased. A
/// table has no partitions and is returned unchanged.
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
    /// Number of partitions after merging.
    #[param(default = 1, range(1, 1_000_000))]
    pub n: i64,
}

impl HasSample for PartitionConsolidator {
    fn sample() -> Sample {
        Sample::new(json!({"n": 1}), plain_rows())
    }
}
