//! `TimeIntervalMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers the rows that arrive within a time interval into one batch: every column becomes an array.
///
/// A batch ends when it is full, or when the first rows arrive after the interval. Rows that Arrow delivers together arrive at
/// the same time: at most `spark.sql.execution.arrow.maxRecordsPerBatch` rows on Spark, and all rows of a table. Rows of
/// different partitions are never in the same batch. An incomplete last batch is kept. Every column, including vectors, becomes
/// an array of its values and keeps its metadata. `FlattenBatch` is the inverse. Runs as one Python pass on Spark. A task holds
/// one batch in memory.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import TimeIntervalMiniBatchTransformer
table = pa.table({"a": [1, 2, 3]})
out = TimeIntervalMiniBatchTransformer(millisToWait=100, maxBatchSize=2).transform(table)
assert out["a"].to_pylist() == [[1, 2], [3]]
"#
)]
pub struct TimeIntervalMiniBatchTransformer {
    /// Milliseconds from the first row of a batch to the end of the batch.
    #[param(required, min(1))]
    pub millis_to_wait: i64,
    /// Maximum number of rows of a batch.
    #[param(default = 2_147_483_647, range(1, 2_147_483_647))]
    pub max_batch_size: i64,
}

impl HasSample for TimeIntervalMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"millisToWait": 1000, "maxBatchSize": 1}), plain_rows())
    }
}
