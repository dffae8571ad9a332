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
/// The columns become features as `Featurize` makes them, categories in one slot each for trees, which take them so, one-hot
/// for others. The labels, text, numbers, booleans, dates or timestamps, become the numbers of classes, ascending; dates and
/// timestamps (in UTC) are labels as text. A learner that knows two classes only is trained once for each of more
/// (`OneVsRest`); a perceptron's first and last layer get the sizes of features and classes. What can be known before
/// training, such as a learner that is no classifier or a column that is there already, is an error before any work.
///
/// The model scores raw columns. Its output has the learner's columns, whose metadata tell what they are, so that
/// `ComputeModelStatistics` finds them; `prediction` carries the labels as nominal attributes, for `IndexToValue`.
/// Needs Spark: a table is trained on by the active Spark session. Features are cached while the learner runs.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "train",
    kind = estimator,
    body = python,
    model = TrainedClassifierModel,
    accepts_nulls = "the policy is for rows to train on",
    not_picklable = "it holds a learner of Spark ML, which lives in the JVM",
    requires_spark = "the session trains its learner",
    example = r#"from pyspark.ml.classification import LogisticRegression
from mmlrs.train import TrainClassifier

trainer = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="income")
assert trainer.getReindexLabel()
"#
)]
pub struct TrainClassifier {
    /// What classifiers and regressors have in common.
    #[param(group)]
    pub shared: TrainParams,
    /// Index the labels; otherwise they must be the numbers 0, 1, 2, ... already.
    #[param(default = true)]
    pub reindex_label: bool,
    /// The labels in the order of their classes; when not set, those that occur, ascending.
    #[param(non_empty)]
    pub labels: Option<ValueList>,
}

impl HasSample for TrainClassifier {
    fn sample() -> Sample {
        let learner = json!({"class": "pyspark.ml.classification.DecisionTreeClassifier", "params": {"maxDepth": 2}});
        Sample::new(json!({"model": learner, "labelCol": "bought"}), labelled_rows())
    }
}
