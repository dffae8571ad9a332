//! `StratifiedRepartition`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Distributes the rows of each label evenly over the partitions, so that every partition has about the same mix.
///
/// For each label, the partitions differ by at most one row. No row is lost, repeated or changed. Labels can have any sortable
/// type, and null is a label like any other. On Spark it costs two shuffles of all rows, and the rows of one label are streamed
/// through one task. A table has no partitions and is returned unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import StratifiedRepartition
table = pa.table({"label": ["cat", "cat", "dog"]})
assert StratifiedRepartition(labelCol="label", n=2).transform(table) is table
"#
)]
pub struct StratifiedRepartition {
    /// Name of the label column.
    #[param(required, non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Number of partitions. If not set, the value of `spark.sql.shuffle.partitions`.
    #[param(range(1, 1_000_000))]
    pub n: Option<i64>,
    /// Seed of the order in which the rows of a label are distributed. The result is the same for the same rows in the same
    /// partitions.
    #[param(default = 0)]
    pub seed: i64,
}

impl HasSample for StratifiedRepartition {
    fn sample() -> Sample {
        Sample::new(json!({"labelCol": "name", "n": 2}), plain_rows())
    }
}
