//! `Query`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample_data::plain_rows;

/// Runs a SQL statement on the rows, which it calls `__THIS__`, as Spark ML's `SQLTransformer` does.
///
/// Everything that `SparkSession.sql` runs can stand in it: joins with tables of the catalog, aggregations, window functions. The
/// statement is analysed at once, and an error of it is told. A table needs a Spark session that is active: it is sent
/// there, and the result comes back.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
from mmlrs.stages import Query
stage = Query(statement="SELECT *, score * 2 AS twice FROM __THIS__ WHERE score > 1")
# stage.transform(df) adds a column to a Spark DataFrame and keeps some of its rows.
assert "__THIS__" in stage.getStatement()
"#
)]
pub struct Query {
    /// The statement, with `__THIS__` in the place of a table.
    #[param(required, non_empty)]
    pub statement: String,
}

impl HasSample for Query {
    fn sample() -> Sample {
        Sample::new(json!({"statement": "SELECT *, score * 2 AS twice FROM __THIS__"}), plain_rows())
    }
}
