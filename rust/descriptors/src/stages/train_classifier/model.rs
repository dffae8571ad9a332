//! `TrainedClassifierModel`.

use mmlrs_core::{HasSample, Sample, ValueList};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::scored_rows;
use crate::training::TrainedParams;

/// Scores raw columns with a classifier, as fitted by `TrainClassifier`.
///
/// Adds those of the columns `prediction`, `probability` and `rawPrediction` that the learner has, and `predictedLabel` with the
/// label of the prediction. The features are not kept. A row that cannot be featurized is an error.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = model,
    body = python,
    example = "from mmlrs.train import TrainedClassifierModel

# What `TrainClassifier.fit` returns; `TrainedClassifierModel.load(path)` reads a saved one.
assert TrainedClassifierModel().getLabels() is None
"
)]
pub struct TrainedClassifierModel {
    /// Params that classifiers and regressors share.
    #[param(group)]
    pub shared: TrainedParams,
    /// The labels in the order of their classes. Not set if the label column holds the numbers of the classes.
    #[param(non_empty)]
    pub labels: Option<ValueList>,
    /// The names of the classes if the label column holds their numbers and has nominal attributes.
    #[param(non_empty)]
    pub label_names: Option<Vec<String>>,
    /// Name of the column to add with the predicted labels: the values of the label column, or the names of the classes. "" adds
    /// none, and neither does a model without labels.
    #[param(default = "predictedLabel")]
    pub predicted_label_col: String,
}

impl HasSample for TrainedClassifierModel {
    fn sample() -> Sample {
        let featurizer =
            json!({"class": "mmlrs.featurize.FastVectorAssembler", "params": {"inputCols": ["age"], "outputCol": "x"}});
        let model =
            json!({"class": "mmlrs.stages.RenameColumn", "params": {"inputCol": "score", "outputCol": "prediction"}});
        let params = json!({"featurizer": featurizer, "model": model, "labelCol": "bought", "labels": ["no", "yes"]});
        Sample::new(params, scored_rows())
    }
}
