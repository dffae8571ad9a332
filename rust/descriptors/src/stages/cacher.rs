//! `Cacher`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Keeps the rows in memory once they are computed, so that later passes do not compute them again.
///
/// On Spark this is `DataFrame.cache`: nothing runs until the first action, and the rows stay until `DataFrame.unpersist`. A
/// stream is returned unchanged, and so is a table, which is in memory already.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    example = r#"
import pyarrow as pa
from mmlrs.stages import Cacher
table = pa.table({"a": [1, 2]})
assert Cacher().transform(table) is table
"#
)]
pub struct Cacher {
    /// Return the dataset without caching it. Use it to switch caching off in a pipeline.
    #[param(default = false)]
    pub disable: bool,
}

impl HasSample for Cacher {
    fn sample() -> Sample {
        Sample::new(json!({"disable": false}), plain_rows())
    }
}
