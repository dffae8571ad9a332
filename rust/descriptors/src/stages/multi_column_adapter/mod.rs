//! `MultiColumnAdapter`.

mod model;

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::{ParamGroup, Stage};
use serde_json::json;

use crate::sample::plain_rows;

pub use model::MultiColumnAdapterModel;

/// Applies a stage with one input column and one output column to several columns.
///
/// The stage is copied for every pair of an input and an output column, and the copy gets their names. The stage itself is not
/// changed. An estimator is fitted once for each pair, on the same dataset, one pair after the other, so cache a dataset that
/// is costly to compute. The stage decides how rows, nulls and bad values are handled, and its errors name that stage.
///
/// A stage of Spark ML needs Spark. A table is sent to the active session.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    kind = estimator,
    body = python,
    rows = changed,
    model = MultiColumnAdapterModel,
    example = r#"
import pyarrow as pa
from mmlrs.featurize import ValueIndexer
from mmlrs.stages import MultiColumnAdapter
table = pa.table({"city": ["Rome", "Bern", "Rome"], "job": ["nurse", "nurse", "clerk"]})
adapter = MultiColumnAdapter(baseStage=ValueIndexer(), inputCols=["city", "job"], outputCols=["c", "j"])
out = adapter.fit(table).transform(table)
assert out.select(["c", "j"]).to_pydict() == {"c": [1, 0, 1], "j": [1, 1, 0]}
"#
)]
pub struct MultiColumnAdapter {
    /// The stage, a transformer or an estimator of mmlrs or Spark ML with the params `inputCol` and `outputCol`.
    #[param(required)]
    pub base_stage: StageRef,
    /// The columns.
    #[param(group)]
    pub columns: PairedColumns,
}

/// The columns of the estimator and its model.
#[derive(Debug, Clone, PartialEq, Eq, ParamGroup)]
pub struct PairedColumns {
    /// Names of the columns to read, one for each copy of the stage.
    #[param(required, non_empty, role = input, accepts(any))]
    pub input_cols: Vec<String>,
    /// Names of the columns to add, in the order of `inputCols`. They must not exist.
    #[param(required, non_empty, role = output)]
    pub output_cols: Vec<String>,
}

impl HasSample for MultiColumnAdapter {
    fn sample() -> Sample {
        let base = json!({"class": "mmlrs.featurize.ValueIndexer"});
        let params = json!({"baseStage": base, "inputCols": ["id", "score"], "outputCols": ["place", "rank"]});
        Sample::new(params, plain_rows())
    }
}
