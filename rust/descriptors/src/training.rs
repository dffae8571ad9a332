//! Training on raw tables.

use mmlrs_core::StageRef;
use mmlrs_macros::ParamGroup;

/// What both trainers have in common.
#[derive(Debug, Clone, ParamGroup)]
pub struct TrainParams {
    /// The learner: an estimator of Spark ML, of mmlrs, or of others that reads features and a label; also a `Pipeline`, a
    /// `CrossValidator`, a `TrainValidationSplit` or a search around one. It is not changed: the columns are set on a copy, on
    /// that of the stages and of the evaluator in it too. The stages of a pipeline read the features as `features`.
    #[param(required)]
    pub model: StageRef,
    /// Name of the column of labels.
    #[param(required, non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Names of the columns to learn from, in the order of the features; when not set, all but the label and what the learner
    /// reads otherwise: its `weightCol`, `validationIndicatorCol` and the like.
    #[param(non_empty, role = input, accepts(any))]
    pub input_cols: Option<Vec<String>>,
    /// Name of the vector column that the learner reads; it is there during training and scoring alone.
    #[param(default = uid("_features"), non_empty)]
    pub features_col: String,
    /// Number of slots into which the words of one text column are hashed. 0 takes 4096 for trees and perceptrons, 262144 for
    /// others.
    // The most that Featurize takes.
    #[param(default = 0, range(0, 134_217_728))]
    pub num_features: usize,
    /// What a category becomes when scoring that was not there in training: "other" makes it a row without a level, of zeros, or
    /// the index behind the last one; "error" fails.
    #[param(default = "other", one_of("other", "error"))]
    pub unseen_categories: String,
    /// What to do with a row whose label is null or NaN: "error" fails with one error that names stage, column and cause;
    /// "skip" trains without the row.
    #[param(default = "error", one_of("error", "skip"))]
    pub handle_invalid: String,
}

/// What both kinds of trained models have in common.
#[derive(Debug, Clone, ParamGroup)]
pub struct TrainedParams {
    /// What turns the columns into features.
    #[param(required)]
    pub featurizer: StageRef,
    /// The fitted learner.
    #[param(required)]
    pub model: StageRef,
    /// Name of the column of labels; it need not be there when scoring.
    #[param(required, non_empty)]
    pub label_col: String,
}
