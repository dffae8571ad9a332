//! Params that estimators of networks and their models share.

use mmlrs_core::NetworkLayers;
use mmlrs_macros::ParamGroup;

/// The column of features and that of predictions.
#[derive(Debug, Clone, ParamGroup)]
pub struct FeatureColumns {
    /// Name of the column of features: vectors or lists of numbers, or images if the network reads images.
    #[param(default = "features", non_empty, role = input, accepts(sparse_vector, any))]
    pub features_col: String,
    /// Name of the column to add with the prediction.
    #[param(default = "prediction", non_empty, role = output)]
    pub prediction_col: String,
}

/// The columns of a classifier.
#[derive(Debug, Clone, ParamGroup)]
pub struct ClassColumns {
    /// Name of the column to add with the values of the last layer, one per class.
    #[param(default = "rawPrediction", non_empty, role = output)]
    pub raw_prediction_col: String,
    /// Name of the column to add with the probabilities of the classes.
    #[param(default = "probability", non_empty, role = output)]
    pub probability_col: String,
    /// One number per class, above 0 except for at most one. The class with the largest probability divided by its threshold is
    /// predicted.
    #[param(non_empty)]
    pub thresholds: Option<Vec<f64>>,
}

/// The loss of networks that predict numbers.
#[derive(Debug, Clone, ParamGroup)]
pub struct RegressionLoss {
    /// The loss: "squared", half the squared error; "huber", the same up to `huberDelta` and linear beyond it; "sigmoid", the
    /// cross-entropy of a sigmoid for labels from 0 to 1, so that predictions are probabilities.
    #[param(default = "squared", one_of("squared", "huber", "sigmoid"))]
    pub loss: String,
    /// The error from which the loss "huber" is linear.
    #[param(default = 1.0, above(0.0))]
    pub huber_delta: f64,
}

/// A network of any layers.
#[derive(Debug, Clone, ParamGroup)]
pub struct NetworkParams {
    /// The network: an `mmlrs.ann.layers.Sequential`, or its description as JSON.
    #[param(required)]
    pub network: NetworkLayers,
    /// Changes of images while the network is trained, different each time: "mirror" flips half of them, "shift" moves them by
    /// up to an eighth of their size, with black borders.
    #[param(non_empty)]
    pub augmentation: Option<Vec<String>>,
}

/// The params of autoencoders.
#[derive(Debug, Clone, ParamGroup)]
pub struct EncoderParams {
    /// Name of the column to read: vectors or lists of numbers.
    #[param(required, non_empty, role = input, accepts(sparse_vector, any))]
    pub input_col: String,
    /// Name of the column that the model adds with the codes.
    #[param(default = uid("_output"), non_empty, role = output)]
    pub output_col: String,
    /// Number of values of each layer of the encoder: first the vectors, last the code. A first number of 0 stands for the size
    /// of the vectors.
    #[param(required, non_empty)]
    pub layers: Vec<i64>,
    /// The function after each layer but the last one of the decoder.
    #[param(default = "sigmoid", one_of("sigmoid", "relu", "tanh", "gelu"))]
    pub activation: String,
    /// Whether the vectors have numbers from 0 to 1, such as pixels. Then the last layer is a sigmoid with cross-entropy as the
    /// loss. Otherwise it is linear, with the squared error.
    #[param(default = false)]
    pub data_in_01_interval: bool,
    /// Type of the column that the model adds.
    #[param(default = "vector", one_of("vector", "array"))]
    pub output_type: String,
}

/// The head that is trained behind a network, and what it reads.
#[derive(Debug, Clone, ParamGroup)]
pub struct HeadParams {
    /// The tensor with the features: an output of the network, or an inner tensor. If not set, the features that the network's
    /// metadata name, else the tensor before the last fully connected layer.
    #[param(non_empty)]
    pub feature_tensor_name: Option<String>,
    /// Number of values of each hidden layer of the head. If not set, the head is one layer: multinomial logistic regression.
    #[param(non_empty)]
    pub hidden_layers: Option<Vec<i64>>,
    /// The function after each hidden layer.
    #[param(default = "relu", one_of("sigmoid", "relu", "tanh", "gelu"))]
    pub activation: String,
    /// Share of the features and of the values of hidden layers that training sets to 0. Needs the solver "sgd", "adam" or
    /// "adamw".
    #[param(default = 0.0, range(0.0, 0.99))]
    pub dropout: f64,
    /// A factor for the loss of the rows of each class. The loss is not divided by the sum of these factors, as it is by that of
    /// `weightCol`, so factors with a mean far from 1 change the size of the steps.
    #[param(non_empty)]
    pub class_weights: Option<Vec<f64>>,
    /// Share of the target that is spread over all classes.
    #[param(default = 0.0, range(0.0, 0.99))]
    pub label_smoothing: f64,
    /// Name of the column that the model adds with the predicted label.
    #[param(default = "predictedLabel", non_empty, role = output)]
    pub predicted_label_col: String,
}
