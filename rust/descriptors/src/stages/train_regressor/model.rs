//! `TrainedRegressorModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::scored_rows;
use crate::training::TrainedParams;

/// Scores raw columns with a regressor, as fitted by `TrainRegressor`.
///
/// Adds the learner's column `prediction`. The features are not kept. A row that cannot be featurized is an error.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = model,
    body = python,
    example = "from mmlrs.train import TrainedRegressorModel

# What `TrainRegressor.fit` returns; `TrainedRegressorModel.load(path)` reads a saved one.
assert TrainedRegressorModel().getModel() is None
"
)]
pub struct TrainedRegressorModel {
    /// Params that classifiers and regressors share.
    #[param(group)]
    pub shared: TrainedParams,
}

impl HasSample for TrainedRegressorModel {
    fn sample() -> Sample {
        let featurizer =
            json!({"class": "mmlrs.featurize.FastVectorAssembler", "params": {"inputCols": ["age"], "outputCol": "x"}});
        let model =
            json!({"class": "mmlrs.stages.RenameColumn", "params": {"inputCol": "score", "outputCol": "prediction"}});
        Sample::new(json!({"featurizer": featurizer, "model": model, "labelCol": "bought"}), scored_rows())
    }
}
