//! `StratifiedRepartition`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Spreads the rows of each label evenly over the partitions, so that every partition sees about the same mix.
///
/// Of each label every partition holds as many rows as any other, or one more; no row is lost, repeated or changed. Labels are
/// of any type that can be sorted; null is a label of its own. On Spark it costs two shuffles of all rows, and the rows of
/// one label pass, streamed, through one task. A table has no partitions and is returned as it is.
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
    /// Number of partitions; when not set, what `spark.sql.shuffle.partitions` says.
    #[param(range(1, 1_000_000))]
    pub n: Option<i64>,
    /// Seed of the order in which the rows of a label are dealt out; the same rows in the same partitions are dealt out alike.
    #[param(default = 0)]
    pub seed: i64,
}

impl HasSample for StratifiedRepartition {
    fn sample() -> Sample {
        Sample::new(json!({"labelCol": "name", "n": 2}), plain_rows())
    }
}
