//! `NeuralNetworkClassifier`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::{ClassColumns, FeatureColumns, NetworkParams};
use crate::sample::{classes_batch, small_layers};
use crate::training_params::TrainingParams;

pub use model::NeuralNetworkClassificationModel;

/// Trains any network of layers as a classifier of vectors or images, on Spark or on a table.
///
/// The last layer has one output per class; softmax is part of the loss. Images are decoded and resized to the network's input
/// where it trains, their pixels divided by 255, in RGB. Training works as for `MultilayerPerceptronClassifier`; batches with
/// solver "adam" are usual for networks with convolutions.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = NeuralNetworkClassificationModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import NeuralNetworkClassifier, layers

network = layers.Sequential([layers.Dense(8), layers.Tanh(), layers.Dense(2)], input=2)
table = pa.table({"features": [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "label": [0, 1, 1, 0]})
model = NeuralNetworkClassifier(network=network, solver="adam", epochs=300, stepSize=0.05).fit(table)
assert model.transform(table)["prediction"].to_pylist() == [0.0, 1.0, 1.0, 0.0]
"#
)]
pub struct NeuralNetworkClassifier {
    /// Params that estimators and models share.
    #[param(group)]
    pub features: FeatureColumns,
    /// Name of the column of labels: whole numbers from 0.
    #[param(default = "label", non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Params of classifiers.
    #[param(group)]
    pub classes: ClassColumns,
    /// The network and its images.
    #[param(group)]
    pub network: NetworkParams,
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

impl HasSample for NeuralNetworkClassifier {
    fn sample() -> Sample {
        Sample::new(json!({"network": small_layers(2), "maxIter": 5}), classes_batch())
    }
}
