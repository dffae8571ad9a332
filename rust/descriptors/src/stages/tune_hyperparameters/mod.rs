//! `TuneHyperparameters`.

mod model;

use mmlrs_core::{HasSample, Sample, SpaceRef, StageRef};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::comparison::ComparisonParams;
use crate::sample::judged_rows;

pub use model::TuneHyperparametersModel;

/// Finds the learner and the hyper-parameters that perform best in k-fold cross-validation.
///
/// Each trial is one learner with one choice of params. The rows are randomly assigned to `numFolds` folds. A trial is fitted
/// once for each fold on the rows outside it, and evaluated on the rows in it. The mean of the metric over the folds decides.
/// Of equal trials the first one wins, and the winner is fitted once more on all rows. A fold on which the metric is not
/// defined, such as the AUC if all rows have one label, does not count.
///
/// Work that trials share is done once. The stages of a pipeline up to the first one in which trials differ, and the features
/// of `TrainClassifier` and `TrainRegressor`, are fitted once per fold and cached for all trials that share them. The cache
/// holds one copy per fold, in memory and on disk; columns that need no fit are cached once. The trials themselves run in
/// parallel. A trial that fails is recorded with its error and cannot win. If all trials fail, the search fails with the first
/// error. Errors that can be detected earlier, such as a metric that does not suit the learners, are raised immediately. Needs
/// Spark: the active session runs the search on a table.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = estimator,
    body = python,
    rows = changed,
    model = TuneHyperparametersModel,
    accepts_nulls = "the policy applies to the rows used for the comparison",
    requires_spark = "the session runs the trials",
    example = r#"from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder, TuneHyperparameters
from mmlrs.train import TrainClassifier

# Any learner of Spark ML will do as the model of a trainer, and the space can name its params.
trainer = TrainClassifier(labelCol="income")
space = HyperparamBuilder().addHyperparam(trainer, "numFeatures", DiscreteHyperParam([1024, 4096])).build()
tuner = TuneHyperparameters(models=[trainer], paramSpace=GridSpace(space), evaluationMetric="AUC")
assert tuner.getNumFolds() == 3
"#
)]
pub struct TuneHyperparameters {
    /// The learners: estimators of Spark ML or mmlrs, including pipelines. They are not changed.
    #[param(required, non_empty)]
    pub models: Vec<StageRef>,
    /// The hyper-parameters to try: a `GridSpace` or a `RandomSpace`. A param may belong to a learner or to any stage in it.
    #[param(required)]
    pub param_space: SpaceRef,
    /// The params of the comparison.
    #[param(group)]
    pub comparison: ComparisonParams,
    /// Number of folds.
    #[param(default = 3, range(2, 1000))]
    pub num_folds: usize,
    /// Number of trials. If not set, all points of a grid, or 10 of a random space. If a grid has more points, the trials are
    /// drawn from it at random. A random space that yields no new point ends the search earlier.
    #[param(range(1, 100_000))]
    pub num_runs: Option<usize>,
    /// Number of trials that run in parallel.
    #[param(default = 4, range(1, 1000))]
    pub parallelism: usize,
    /// Seed of the folds and of the draws from the space.
    #[param(default = 0)]
    pub seed: i64,
    /// Write a line to standard error when a trial ends.
    #[param(default = true)]
    pub show_progress: bool,
}

impl HasSample for TuneHyperparameters {
    fn sample() -> Sample {
        let learner = json!({
            "class": "mmlrs.featurize.ValueIndexer",
            "params": {"inputCol": "bought", "outputCol": "prediction"},
        });
        let params = json!({
            "models": [learner],
            "paramSpace": {"kind": "grid", "params": []},
            "labelCol": "bought",
            "scoredLabelsCol": "prediction",
            "numFolds": 2,
            "showProgress": false,
        });
        Sample::new(params, judged_rows())
    }
}
