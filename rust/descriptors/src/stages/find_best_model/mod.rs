//! `FindBestModel`.

mod model;

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::comparison::{ComparisonParams, renaming};
use crate::sample::judged_rows;

pub use model::BestModel;

/// Selects the best of several fitted models by a metric on a dataset.
///
/// Every model scores the dataset, which should not be one that a model was trained on. All metrics of `ComputeModelStatistics`
/// are computed, and `evaluationMetric` decides. Of equal models the first one wins. A metric that is not defined for a model,
/// such as the AUC of three classes, never wins. If it cannot be defined for any model, the fit fails before any model scores.
/// The result scores with the best model and holds the metrics of all models. Models of Spark ML need Spark. Each model scores
/// the dataset once, so cache a dataset that is costly to read.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = estimator,
    body = python,
    model = BestModel,
    accepts_nulls = "the policy applies to the rows used for the comparison",
    example = r#"import pyarrow as pa
from mmlrs.automl import FindBestModel
from mmlrs.stages import RenameColumn

scored = pa.table({"label": [0, 1, 1, 0], "good": [0, 1, 1, 0], "bad": [1, 1, 0, 1]})
models = [RenameColumn(inputCol=name, outputCol="prediction") for name in ("bad", "good")]
best = FindBestModel(models=models, labelCol="label", scoredLabelsCol="prediction").fit(scored)
assert (best.getBestModel().getInputCol(), best.getBestMetric()) == ("good", 1.0)
"#
)]
pub struct FindBestModel {
    /// The fitted models, of Spark ML or mmlrs.
    #[param(required, non_empty)]
    pub models: Vec<StageRef>,
    /// The params of the comparison.
    #[param(group)]
    pub comparison: ComparisonParams,
}

impl HasSample for FindBestModel {
    fn sample() -> Sample {
        let models = json!([renaming("guess"), renaming("score")]);
        let params = json!({"models": models, "labelCol": "bought", "scoredLabelsCol": "prediction"});
        Sample::new(params, judged_rows())
    }
}
