//! `TrainRegressor`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::labelled_rows;
use crate::training::TrainParams;

pub use model::TrainedRegressorModel;

/// Trains a regressor on raw columns: features, label and learner in one call.
///
/// The columns become features as `Featurize` makes them, categories in one slot each for trees, which take them so, one-hot
/// for others. The label is a column of numbers or booleans, which become doubles. The model scores raw columns; its output
/// has the column `prediction`, whose metadata tell `ComputeModelStatistics` what it is. Needs Spark: a table is trained on
/// by the active Spark session. Features are cached while the learner runs. A learner that is no regressor and a column that
/// is there already are errors before any work.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = estimator,
    body = python,
    model = TrainedRegressorModel,
    accepts_nulls = "the policy is for rows to train on",
    not_picklable = "it holds a learner of Spark ML, which lives in the JVM",
    requires_spark = "the session trains its learner",
    example = r#"from pyspark.ml.regression import LinearRegression
from mmlrs.train import TrainRegressor

trainer = TrainRegressor(model=LinearRegression(), labelCol="price", inputCols=["rooms", "city"])
assert trainer.getLabelCol() == "price"
"#
)]
pub struct TrainRegressor {
    /// What classifiers and regressors have in common.
    #[param(group)]
    pub shared: TrainParams,
}

impl HasSample for TrainRegressor {
    fn sample() -> Sample {
        let learner = json!({"class": "pyspark.ml.regression.DecisionTreeRegressor", "params": {"maxDepth": 2}});
        Sample::new(json!({"model": learner, "labelCol": "bought"}), labelled_rows())
    }
}
