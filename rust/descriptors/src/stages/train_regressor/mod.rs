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
/// `Featurize` turns the columns into features. Categories take one slot each for trees, which handle categories themselves,
/// and are one-hot encoded for other learners. The label is a column of numbers or booleans, which are converted to doubles.
/// The model scores raw columns. The metadata of its column `prediction` describe it to `ComputeModelStatistics`. Needs Spark:
/// the active session trains on a table. Features are cached while the learner runs. A learner that is not a regressor or a
/// column that already exists is an error before any work.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = estimator,
    body = python,
    model = TrainedRegressorModel,
    accepts_nulls = "the policy applies to the rows used for training",
    not_picklable = "it holds a Spark ML learner, which is a JVM object",
    requires_spark = "the session trains the learner",
    example = r#"from pyspark.ml.regression import LinearRegression
from mmlrs.train import TrainRegressor

trainer = TrainRegressor(model=LinearRegression(), labelCol="price", inputCols=["rooms", "city"])
assert trainer.getLabelCol() == "price"
"#
)]
pub struct TrainRegressor {
    /// Params that classifiers and regressors share.
    #[param(group)]
    pub shared: TrainParams,
}

impl HasSample for TrainRegressor {
    fn sample() -> Sample {
        let learner = json!({"class": "pyspark.ml.regression.DecisionTreeRegressor", "params": {"maxDepth": 2}});
        Sample::new(json!({"model": learner, "labelCol": "bought"}), labelled_rows())
    }
}
