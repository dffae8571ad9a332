//! `FindBestModel`.

mod model;

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::comparison::{ComparisonParams, renaming};
use crate::sample::judged_rows;

pub use model::BestModel;

/// Finds the best of several fitted models by a metric on a dataset.
///
/// Every model scores the dataset, which should be one that none of them was trained on, and is judged by all metrics that
/// `ComputeModelStatistics` knows; `evaluationMetric` decides, of equal models the first one wins. A metric that is not
/// defined for a model (the AUC of three classes, say) never wins, and where it can be defined for none of them the fit fails
/// before any model scores. The result scores with the best model and keeps the metrics
/// of all. Needs Spark for models of Spark ML. Cost: each model scores the dataset once; cache what is costly to read.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = estimator,
    body = python,
    model = BestModel,
    accepts_nulls = "the policy is for rows to compare by",
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
    /// The models: fitted, of Spark ML or mmlrs.
    #[param(required, non_empty)]
    pub models: Vec<StageRef>,
    /// How they are compared.
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
