//! `FixedMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers rows into batches of a fixed size: every column becomes an array.
///
/// Rows of different partitions are never in the same batch. An incomplete last batch is kept. Every column, including vectors,
/// becomes an array of its values and keeps its metadata. `FlattenBatch` is the inverse. Runs as one Python pass on Spark. A
/// task holds one batch in memory.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import FixedMiniBatchTransformer
table = pa.table({"a": [1, 2, 3]})
out = FixedMiniBatchTransformer(batchSize=2).transform(table)
assert out["a"].to_pylist() == [[1, 2], [3]]
"#
)]
pub struct FixedMiniBatchTransformer {
    /// Number of rows of a batch.
    #[param(default = 10, range(1, 2_147_483_647))]
    pub batch_size: i64,
}

impl HasSample for FixedMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"batchSize": 1}), plain_rows())
    }
}
