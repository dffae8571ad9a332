//! `DynamicMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers rows into batches as they come: every column becomes an array.
///
/// A batch is what Arrow hands over at a time: on Spark at most `spark.sql.execution.arrow.maxRecordsPerBatch` rows, in a table a
/// chunk. Rows of different partitions never share a batch, and a last batch that is not full is kept. Every column becomes an
/// array of what it was, vectors too, with its metadata. `FlattenBatch` is the inverse. On Spark it is one Python pass.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import DynamicMiniBatchTransformer
table = pa.table({"a": [1, 2, 3]})
out = DynamicMiniBatchTransformer().transform(table)
assert out["a"].to_pylist() == [[1, 2, 3]]
"#
)]
pub struct DynamicMiniBatchTransformer {
    /// Rows that a batch has at most.
    #[param(default = 2_147_483_647, range(1, 2_147_483_647))]
    pub max_batch_size: i64,
}

impl HasSample for DynamicMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"maxBatchSize": 1}), plain_rows())
    }
}
