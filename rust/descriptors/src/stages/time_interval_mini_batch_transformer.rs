//! `TimeIntervalMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers the rows that come within a time into one batch: every column becomes an array.
///
/// A batch ends when it is full, or when the first rows come after the time is over; it is then passed on. All rows that Arrow
/// hands over at once, at most `spark.sql.execution.arrow.maxRecordsPerBatch` on Spark and a whole table without it, come at one
/// moment. Rows of different partitions never share a batch, and a last batch that is not full is kept. Every column becomes an
/// array of what it was, vectors too, with its metadata. `FlattenBatch` is the inverse. On Spark it is one Python pass; a task holds one batch in
/// memory.
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
    /// Milliseconds from the first row of a batch to its end.
    #[param(required, min(1))]
    pub millis_to_wait: i64,
    /// Rows that a batch has at most.
    #[param(default = 2_147_483_647, range(1, 2_147_483_647))]
    pub max_batch_size: i64,
}

impl HasSample for TimeIntervalMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"millisToWait": 1000, "maxBatchSize": 1}), plain_rows())
    }
}
