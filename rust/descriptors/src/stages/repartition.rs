//! `Repartition`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Spreads the rows evenly over a number of partitions.
///
/// On Spark this is `DataFrame.repartition`, one shuffle of all rows; `coalesce` would be cheaper for fewer partitions, but
/// merges them as they are, uneven ones too: use `PartitionConsolidator` for that. A table has no partitions and is returned
/// as it is.
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
    /// Leave the partitions as they are: a switch for pipelines with a copy of their params.
    #[param(default = false)]
    pub disable: bool,
}

impl HasSample for Repartition {
    fn sample() -> Sample {
        Sample::new(json!({"n": 3}), plain_rows())
    }
}
