//! `FixedMiniBatchTransformer`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Gathers rows into batches of a fixed size: every column becomes an array.
///
/// Rows of different partitions never share a batch, and a last batch that is not full is kept. Every column becomes an
/// array of what it was, vectors too, with its metadata. `FlattenBatch` is the inverse. On Spark it is one Python pass; a task holds
/// one batch in memory.
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
    /// Rows of a batch.
    #[param(default = 10, range(1, 2_147_483_647))]
    pub batch_size: i64,
}

impl HasSample for FixedMiniBatchTransformer {
    fn sample() -> Sample {
        Sample::new(json!({"batchSize": 1}), plain_rows())
    }
}
