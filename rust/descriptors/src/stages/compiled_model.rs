//! `CompiledModel`.

use mmlrs_core::{HasSample, Sample, StageRef, ValueList};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// A fitted pipeline as one native stage, as `mmlrs.compile` and `mmlrs.from_estimator` make it.
///
/// It adds the columns that the original adds, with equal predictions, and scores that differ by rounding only. On Spark all of
/// it is one Python pass. On a table it runs without Spark and without Java. `predict_one` answers a single row, and
/// `mmlrs.register` makes it a SQL function.
///
/// A null or a value that the original cannot process is an error that names the fitted stage, the column and the row.
#[derive(Debug, Clone, PartialEq, Stage)]
#[stage(
    module = "compiled",
    kind = model,
    body = python,
    columns = changed,
    rows = changed,
    embeds_column_names = "its stages name columns",
    example = r#"
import pyarrow as pa
from mmlrs.compiled import CompiledModel
from mmlrs.featurize import IndexToValue, ValueIndexerModel
index = ValueIndexerModel(inputCol="size", outputCol="index", levels=["small", "large"])
value = IndexToValue(inputCol="index", outputCol="again", levels=["S", "L"])
model = CompiledModel(stages=[index, value], outputCols=["again"])
assert model.transform(pa.table({"size": ["large"]})).column_names == ["size", "again"]
assert model.predict_one({"size": "small"}) == {"again": "S"}
"#
)]
pub struct CompiledModel {
    /// The native stages, in order. `SelectColumns`, `DropColumns` and `RenameColumn` may stand between them.
    #[param(required, non_empty)]
    pub stages: Vec<StageRef>,
    /// Names of the columns to add, in this order. If not set, all columns that the stages add and do not drop.
    #[param(non_empty)]
    pub output_cols: Option<Vec<String>>,
    /// Name of the column that a function of the model returns, such as `mmlrs.register` makes. If not set, the last column.
    #[param(non_empty)]
    pub answer_col: Option<String>,
    /// The classes in the order of their probabilities, for `predict_one`.
    #[param]
    pub labels: Option<ValueList>,
    /// Name of the column of class probabilities, for `predict_one`.
    #[param(non_empty)]
    pub probability_col: Option<String>,
}

impl HasSample for CompiledModel {
    fn sample() -> Sample {
        let stage = |old: &str, new: &str| json!({"class": "mmlrs.testing.Identity", "params": {"inputCol": old, "outputCol": new}});
        let stages = [stage("name", "copy"), stage("copy", "again")];
        Sample::new(json!({"stages": stages, "outputCols": ["again"]}), plain_rows())
    }
}
