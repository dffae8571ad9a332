//! Params for training on raw tables.

use mmlrs_core::StageRef;
use mmlrs_macros::ParamGroup;

/// Params that both trainers share.
#[derive(Debug, Clone, ParamGroup)]
pub struct TrainParams {
    /// The learner: an estimator of Spark ML, mmlrs or another library that reads features and a label. It may be a `Pipeline`,
    /// a `CrossValidator`, a `TrainValidationSplit` or a search around one. It is not changed: the columns are set on a copy,
    /// including its stages and its evaluator. The stages of a pipeline read the features as `features`.
    #[param(required)]
    pub model: StageRef,
    /// Name of the column of labels.
    #[param(required, non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Names of the columns to learn from, in the order of the features. If not set, all columns except the label and those
    /// that other params of the learner name, such as `weightCol` and `validationIndicatorCol`.
    #[param(non_empty, role = input, accepts(any))]
    pub input_cols: Option<Vec<String>>,
    /// Name of the vector column that the learner reads. It exists only during training and scoring.
    #[param(default = uid("_features"), non_empty)]
    pub features_col: String,
    /// Number of slots into which the words of one text column are hashed. 0 means 4096 for trees and perceptrons and 262144
    /// for others.
    // The maximum of Featurize.
    #[param(default = 0, range(0, 134_217_728))]
    pub num_features: usize,
    /// How to handle a category in scoring that did not occur in training: "other" gives it no level, that is zeros, or the
    /// index after the last one; "error" fails.
    #[param(default = "other", one_of("other", "error"))]
    pub unseen_categories: String,
    /// How to handle a row whose label is null or NaN: "error" fails with an error that names stage, column and cause; "skip"
    /// trains without the row.
    #[param(default = "error", one_of("error", "skip"))]
    pub handle_invalid: String,
}

/// Params that both kinds of trained models share.
#[derive(Debug, Clone, ParamGroup)]
pub struct TrainedParams {
    /// The featurizer of the columns.
    #[param(required)]
    pub featurizer: StageRef,
    /// The fitted learner.
    #[param(required)]
    pub model: StageRef,
    /// Name of the column of labels. It may be missing in scoring.
    #[param(required, non_empty)]
    pub label_col: String,
}
