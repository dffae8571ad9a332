//! Params that estimators of networks and their models share.

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
