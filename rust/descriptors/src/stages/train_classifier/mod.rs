//! `TrainClassifier`.

mod model;

use mmlrs_core::{HasSample, Sample, ValueList};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::labelled_rows;
use crate::training::TrainParams;

pub use model::TrainedClassifierModel;

/// Trains a classifier on raw columns: features, label and learner in one call.
///
/// `Featurize` turns the columns into features. Categories take one slot each for trees, which handle categories themselves,
/// and are one-hot encoded for other learners. Labels can be strings, numbers, booleans, dates or timestamps. They are indexed
/// in ascending order; dates and timestamps (in UTC) become string labels. A learner that handles two classes only is trained
/// once for each class if there are more (`OneVsRest`). The first and the last layer of a perceptron get the sizes of the
/// features and the classes. Errors that can be detected before training, such as a learner that is not a classifier or a
/// column that already exists, are raised before any work.
///
/// The model scores raw columns. It adds the predicted label as `predictedLabel`, beside `prediction`, the number of its class.
/// The metadata of the learner's columns describes them, so that `ComputeModelStatistics` can find them. `prediction` has the
/// labels as nominal attributes, for `IndexToValue`. Needs Spark: the active session trains on a table. Features are cached while
/// the learner runs.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = estimator,
    body = python,
    model = TrainedClassifierModel,
    accepts_nulls = "the policy applies to the rows used for training",
    not_picklable = "it holds a Spark ML learner, which is a JVM object",
    requires_spark = "the session trains the learner",
    example = r#"from pyspark.ml.classification import LogisticRegression
from mmlrs.train import TrainClassifier

trainer = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="income")
assert trainer.getReindexLabel()
"#
)]
pub struct TrainClassifier {
    /// Params that classifiers and regressors share.
    #[param(group)]
    pub shared: TrainParams,
    /// Index the labels. Otherwise they must be the numbers 0, 1, 2, ...
    #[param(default = true)]
    pub reindex_label: bool,
    /// The labels in the order of their classes. If not set, the labels that occur, in ascending order.
    #[param(non_empty)]
    pub labels: Option<ValueList>,
    /// Name of the column that the model adds with the predicted labels. "" adds none.
    #[param(default = "predictedLabel")]
    pub predicted_label_col: String,
}

impl HasSample for TrainClassifier {
    fn sample() -> Sample {
        let learner = json!({"class": "pyspark.ml.classification.DecisionTreeClassifier", "params": {"maxDepth": 2}});
        Sample::new(json!({"model": learner, "labelCol": "bought"}), labelled_rows())
    }
}
