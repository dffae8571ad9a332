//! `Repartition`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Distributes the rows evenly over a number of partitions.
///
/// On Spark this is `DataFrame.repartition`, one shuffle of all rows. To reduce the number of partitions,
/// `PartitionConsolidator` is cheaper: it merges partitions without a shuffle, but leaves them uneven. A table has no
/// partitions and is returned unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import Repartition
table = pa.table({"a": [1, 2]})
assert Repartition(n=8).transform(table) is table
"#
)]
pub struct Repartition {
    /// Number of partitions.
    #[param(required, range(1, 1_000_000))]
    pub n: i64,
    /// Leave the partitions unchanged. Use it to switch the stage off in a pipeline.
    #[param(default = false)]
    pub disable: bool,
}

impl HasSample for Repartition {
    fn sample() -> Sample {
        Sample::new(json!({"n": 3}), plain_rows())
    }
}
