//! `NeuralNetworkRegressor`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::{FeatureColumns, NetworkParams, RegressionLoss};
use crate::sample::{classes_batch, small_layers};
use crate::training_params::TrainingParams;

pub use model::NeuralNetworkRegressionModel;

/// Trains any network of layers to predict numbers of vectors or images, on Spark or on a table.
///
/// The label is a number, or a vector with one number per output of the last layer. Images are decoded and resized to the
/// network's input where it trains, their pixels divided by 255, in RGB. Training works as for `NeuralNetworkClassifier`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = NeuralNetworkRegressionModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import NeuralNetworkRegressor, layers

network = layers.Sequential([layers.Dense(5), layers.Tanh(), layers.Dense(1)], input=1)
table = pa.table({"features": [[0.0], [0.25], [0.5], [0.75], [1.0]], "label": [0.0, 0.0625, 0.25, 0.5625, 1.0]})
model = NeuralNetworkRegressor(network=network, maxIter=200).fit(table)
assert abs(model.transform(table)["prediction"].to_pylist()[3] - 0.5625) < 0.05
"#
)]
pub struct NeuralNetworkRegressor {
    /// Params that estimators and models share.
    #[param(group)]
    pub features: FeatureColumns,
    /// Name of the column of labels: numbers, or vectors with one number per output.
    #[param(default = "label", non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// The network and its images.
    #[param(group)]
    pub network: NetworkParams,
    /// The loss.
    #[param(group)]
    pub loss: RegressionLoss,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for NeuralNetworkRegressor {
    fn sample() -> Sample {
        Sample::new(json!({"network": small_layers(1), "maxIter": 5}), classes_batch())
    }
}
