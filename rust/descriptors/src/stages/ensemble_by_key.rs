//! `EnsembleByKey`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Averages columns over the rows with the same key, such as the scores of several pictures of one animal.
///
/// Numbers become doubles. Vectors and arrays of numbers are averaged element by element and must have the same size for all
/// rows of a key; otherwise an error names the column. Nulls and null elements of arrays are ignored. The average of nulls only
/// is null. NaN counts as a value. Null is a key like any other. The stage is one aggregation and holds the vectors of one key
/// in memory. On a table the keys are in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import EnsembleByKey
table = pa.table({"burst": [1, 1, 2], "score": [0.5, 1.0, 0.25]})
out = EnsembleByKey(keys=["burst"], cols=["score"]).transform(table)
assert out.to_pydict() == {"burst": [1, 2], "mean(score)": [0.75, 0.25]}
"#
)]
pub struct EnsembleByKey {
    /// Names of the key columns.
    #[param(required, non_empty, role = input, accepts(any))]
    pub keys: Vec<String>,
    /// Names of the columns to average.
    #[param(required, non_empty, role = input, accepts(numeric, vector, array))]
    pub cols: Vec<String>,
    /// Names of the columns of averages, one for each column. If not set, `mean(<column>)`.
    #[param(non_empty)]
    pub col_names: Option<Vec<String>>,
    /// How the values of a key are combined.
    #[param(default = "mean", one_of("mean"))]
    pub strategy: String,
    /// Return one row per key, with the keys and the averages. Otherwise every row is kept and gets the averages of its key, on
    /// Spark by a join.
    #[param(default = true)]
    pub collapse_group: bool,
}

impl HasSample for EnsembleByKey {
    fn sample() -> Sample {
        Sample::new(json!({"keys": ["name"], "cols": ["score"], "collapseGroup": false}), plain_rows())
    }
}
