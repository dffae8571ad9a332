//! `MultilayerPerceptronClassifier`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::{ClassColumns, FeatureColumns};
use crate::sample::classes_batch;
use crate::training_params::TrainingParams;

pub use model::MultilayerPerceptronClassificationModel;

/// Trains a multilayer perceptron, a classifier of fully connected layers, on Spark or on a table.
///
/// The params of Spark ML's class of the same name have the same meaning, and the loss is the same for the same weights. Numbers
/// are computed in single precision, sums of many rows in double precision. With the solvers "l-bfgs" and "gd" the result does not
/// depend on the partitions, beyond rounding, and a seed repeats it exactly.
///
/// On Spark the rows stay in the memory of `numWorkers` tasks, which exchange gradients over TCP, in jobs of about fifteen seconds. A
/// job that fails runs again. On a table all cores are used.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = MultilayerPerceptronClassificationModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import MultilayerPerceptronClassifier

table = pa.table({"features": [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "label": [0, 1, 1, 0]})
model = MultilayerPerceptronClassifier(layers=[2, 4, 2], seed=3).fit(table)
assert model.transform(table)["prediction"].to_pylist() == [0.0, 1.0, 1.0, 0.0]
"#
)]
pub struct MultilayerPerceptronClassifier {
    /// Params that estimators and models share.
    #[param(group)]
    pub features: FeatureColumns,
    /// Name of the column of labels: whole numbers from 0.
    #[param(default = "label", non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Params of classifiers.
    #[param(group)]
    pub classes: ClassColumns,
    /// Number of values of each layer: first the features, last the classes, in between the hidden layers. A last number of 0
    /// stands for the number of levels in the metadata of the label column, a first number of 0 for the size of the features.
    #[param(required, non_empty)]
    pub layers: Vec<i64>,
    /// The function after each hidden layer.
    #[param(default = "sigmoid", one_of("sigmoid", "relu", "tanh", "gelu"))]
    pub activation: String,
    /// Share of the values of hidden layers that training sets to 0. Needs the solver "sgd", "adam" or "adamw".
    #[param(default = 0.0, range(0.0, 0.99))]
    pub dropout: f64,
    /// A factor for the loss of the rows of each class. The loss is not divided by the sum of these factors, as it is by that of
    /// `weightCol`, so factors with a mean far from 1 change the size of the steps.
    #[param(non_empty)]
    pub class_weights: Option<Vec<f64>>,
    /// Share of the target that is spread over all classes.
    #[param(default = 0.0, range(0.0, 0.99))]
    pub label_smoothing: f64,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for MultilayerPerceptronClassifier {
    fn sample() -> Sample {
        Sample::new(json!({"layers": [2, 3, 2], "maxIter": 5}), classes_batch())
    }
}
