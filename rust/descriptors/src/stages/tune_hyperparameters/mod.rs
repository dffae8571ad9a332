//! `TuneHyperparameters`.

mod model;

use mmlrs_core::{HasSample, Sample, SpaceRef, StageRef};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::comparison::ComparisonParams;
use crate::sample::judged_rows;

pub use model::TuneHyperparametersModel;

/// Finds the learner and the hyper-parameters that do best in a k-fold cross-validation.
///
/// Each trial is one learner with one choice of params. The rows are dealt to `numFolds` folds at random; a trial is fitted
/// once for each fold, on the rows outside it, and judged on the rows in it. The mean of the metric over the folds decides, of
/// equal trials the first one wins, and the winner is fitted once more on all rows. A fold on which the metric is not defined,
/// such as the AUC where all rows have one label, does not count.
///
/// What trials have in common is done once: the stages of a pipeline up to the first one in which they differ, and the features
/// of `TrainClassifier` and `TrainRegressor`, are fitted once per fold and cached for all trials that share them (as many
/// copies as there are folds, in memory and on disk; what nothing was fitted for is cached once). The trials themselves run
/// side by side. A trial that fails is recorded with its error and cannot win; when all fail, so does the search, with the
/// first error. What can be known before, such as a metric that does not fit the learners, fails at once. Needs Spark: a table is searched on by the active Spark session.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = estimator,
    body = python,
    rows = changed,
    model = TuneHyperparametersModel,
    accepts_nulls = "the policy is for rows to compare by",
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
    /// The learners: estimators of Spark ML or mmlrs, pipelines among them. They are not changed.
    #[param(required, non_empty)]
    pub models: Vec<StageRef>,
    /// The hyper-parameters to try: a `GridSpace` or a `RandomSpace`. A param may belong to a learner or to any stage in it.
    #[param(required)]
    pub param_space: SpaceRef,
    /// How trials are compared.
    #[param(group)]
    pub comparison: ComparisonParams,
    /// Number of folds.
    #[param(default = 3, range(2, 1000))]
    pub num_folds: usize,
    /// Number of trials. When not set, all points of a grid, and 10 of a random space. Fewer than a grid has are drawn from it
    /// at random; a random space in which no new point is found ends the search earlier.
    #[param(range(1, 100_000))]
    pub num_runs: Option<usize>,
    /// How many trials run side by side.
    #[param(default = 4, range(1, 1000))]
    pub parallelism: usize,
    /// Seed of the folds and of what is drawn from the space.
    #[param(default = 0)]
    pub seed: i64,
    /// Write a line to the standard error stream when a trial ends.
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
