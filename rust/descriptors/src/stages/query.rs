//! `Query`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Runs a SQL statement on the rows, which it calls `__THIS__`, as Spark ML's `SQLTransformer` does.
///
/// It may be any query that `SparkSession.sql` runs, with joins with tables of the catalog, aggregations and window functions;
/// commands such as CREATE and INSERT are refused. A saved statement that can run programs is loaded with `allow_pickle=True`
/// only. The statement is analysed at once, and its errors are raised then. A table needs an active Spark session: the rows are
/// sent there, and the result comes back.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    embeds_column_names = "the statement spells them as SQL does",
    requires_spark = "the session runs its SQL",
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
