//! `PartitionSample`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Samples rows, or assigns every row to a random part.
///
/// `RandomSample` draws rows without replacement: each row with probability `percent`, or exactly `count` rows. `Head` takes
/// the first `count` rows. `AssignToPartition` keeps all rows and adds a part number from 0 to `numParts` - 1, each equally
/// likely. The same seed draws the same sample from the same rows in the same partitions. On Spark an exact count costs a sort,
/// and the rows are in the sorted order.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import PartitionSample
table = pa.table({"a": range(100)})
assert PartitionSample(mode="Head", count=2).transform(table)["a"].to_pylist() == [0, 1]
assert PartitionSample(count=30, seed=1).transform(table).num_rows == 30
parts = PartitionSample(mode="AssignToPartition", numParts=4).transform(table)["Partition"]
assert set(parts.to_pylist()) == {0, 1, 2, 3}
"#
)]
pub struct PartitionSample {
    /// The kind of sample.
    #[param(default = "RandomSample", one_of("RandomSample", "Head", "AssignToPartition"))]
    pub mode: String,
    /// The fraction of the rows that `RandomSample` draws, from 0 to 1, unless `count` is set.
    #[param(range(0, 1))]
    pub percent: Option<f64>,
    /// The number of rows that `Head` takes or `RandomSample` draws; all rows if there are fewer.
    #[param(range(0, 2_147_483_647))]
    pub count: Option<i64>,
    /// Seed of the random numbers.
    #[param(default = 0)]
    pub seed: i64,
    /// Name of the column of part numbers to add with `AssignToPartition`.
    #[param(default = "Partition", non_empty)]
    pub new_col_name: String,
    /// Number of parts for `AssignToPartition`.
    #[param(default = 10, range(1, 2_147_483_647))]
    pub num_parts: i64,
}

impl HasSample for PartitionSample {
    fn sample() -> Sample {
        Sample::new(json!({"mode": "Head", "count": 100}), plain_rows())
    }
}
