//! `Query`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Runs a SQL statement on the dataset, which the statement calls `__THIS__`, as Spark ML's `SQLTransformer` does.
///
/// The statement may be any query that `SparkSession.sql` runs, including joins with tables of the catalog, aggregations and
/// window functions. Commands such as CREATE and INSERT are rejected. A saved statement that can run programs needs
/// `allow_pickle=True` to load. The statement is analysed immediately, and its errors are raised then. A table needs an active
/// Spark session: the rows are sent there, and the result is returned as a table.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    embeds_column_names = "the statement contains them in SQL syntax",
    requires_spark = "the session runs the SQL",
    example = r#"
from mmlrs.stages import Query
stage = Query(statement="SELECT *, score * 2 AS twice FROM __THIS__ WHERE score > 1")
# stage.transform(df) adds a column to a Spark DataFrame and keeps some of its rows.
assert "__THIS__" in stage.getStatement()
"#
)]
pub struct Query {
    /// The statement, with `__THIS__` in place of a table name.
    #[param(required, non_empty)]
    pub statement: String,
}

impl HasSample for Query {
    fn sample() -> Sample {
        Sample::new(json!({"statement": "SELECT *, score * 2 AS twice FROM __THIS__"}), plain_rows())
    }
}
