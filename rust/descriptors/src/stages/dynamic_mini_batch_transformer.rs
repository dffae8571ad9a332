//! `DynamicMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers rows into batches as they arrive: every column becomes an array.
///
/// A batch is one Arrow record batch: on Spark at most `spark.sql.execution.arrow.maxRecordsPerBatch` rows, in a table one
/// chunk. Rows of different partitions are never in the same batch. An incomplete last batch is kept. Every column, including
/// vectors, becomes an array of its values and keeps its metadata. `FlattenBatch` is the inverse. Runs as one Python pass on
/// Spark.
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
    /// Maximum number of rows of a batch.
    #[param(default = 2_147_483_647, range(1, 2_147_483_647))]
    pub max_batch_size: i64,
}

impl HasSample for DynamicMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"maxBatchSize": 1}), plain_rows())
    }
}
