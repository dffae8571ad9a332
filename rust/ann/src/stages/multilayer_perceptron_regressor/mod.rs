//! `MultilayerPerceptronRegressor`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::{FeatureColumns, RegressionLoss};
use crate::sample::classes_batch;
use crate::training_params::TrainingParams;

pub use model::MultilayerPerceptronRegressionModel;

/// Trains a multilayer perceptron that predicts numbers, on Spark or on a table.
///
/// The label is a number, or a vector for several numbers at once. Labels are not scaled; a network learns faster if theirs are
/// around 1. Training works as for `MultilayerPerceptronClassifier`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = MultilayerPerceptronRegressionModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import MultilayerPerceptronRegressor

table = pa.table({"features": [[0.0], [0.25], [0.5], [0.75], [1.0]], "label": [0.0, 0.0625, 0.25, 0.5625, 1.0]})
model = MultilayerPerceptronRegressor(layers=[1, 5, 1], activation="tanh", maxIter=200).fit(table)
predictions = model.transform(table)["prediction"].to_pylist()
assert abs(predictions[3] - 0.5625) < 0.05
"#
)]
pub struct MultilayerPerceptronRegressor {
    /// Params that estimators and models share.
    #[param(group)]
    pub features: FeatureColumns,
    /// Name of the column of labels: numbers, or vectors with one number per output.
    #[param(default = "label", non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Number of values of each layer: first the features, last the numbers to predict, in between the hidden layers. A first
    /// number of 0 stands for the size of the features, a last number of 0 for the size of the labels.
    #[param(required, non_empty)]
    pub layers: Vec<i64>,
    /// The function after each hidden layer.
    #[param(default = "sigmoid", one_of("sigmoid", "relu", "tanh", "gelu"))]
    pub activation: String,
    /// Share of the values of hidden layers that training sets to 0. Needs the solver "sgd", "adam" or "adamw".
    #[param(default = 0.0, range(0.0, 0.99))]
    pub dropout: f64,
    /// The loss.
    #[param(group)]
    pub loss: RegressionLoss,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for MultilayerPerceptronRegressor {
    fn sample() -> Sample {
        Sample::new(json!({"layers": [2, 3, 1], "maxIter": 3, "l2": 0.1}), classes_batch())
    }
}
