//! Params for comparing models and hyper-parameters.

use mmlrs_core::{FileSource, METRICS, StageRef, metric_names};
use mmlrs_macros::ParamGroup;
use serde_json::{Value, json};

/// The names of the metrics.
const NAMES: [&str; METRICS.len()] = metric_names([]);

/// Params of a comparison of models.
#[derive(Debug, Clone, ParamGroup)]
pub struct ComparisonParams {
    /// The metric that decides. For "mse", "rmse", "mae" and the log loss lower is better, for the others higher.
    #[param(default = "accuracy", one_of(&NAMES))]
    pub evaluation_metric: String,
    /// Name of the column of true labels. If not set, taken from the metadata of the scored columns or the learner's
    /// `labelCol`.
    #[param(non_empty, role = input, accepts(any))]
    pub label_col: Option<String>,
    /// Name of the column of scores that the models write. If not set, taken from the metadata of the scored columns or the
    /// learner's `probabilityCol` or `rawPredictionCol`.
    #[param(non_empty)]
    pub scores_col: Option<String>,
    /// Name of the column of predictions that the models write. If not set, taken from the metadata of the scored columns or
    /// the learner's `predictionCol`.
    #[param(non_empty)]
    pub scored_labels_col: Option<String>,
    /// How to handle a row in which a label, prediction or score is null or NaN: "error" fails with an error that names stage,
    /// column, row and cause; "skip" compares the models without the row.
    #[param(default = "error", one_of("error", "skip"))]
    pub handle_invalid: String,
}

/// Params of the models of both estimators.
#[derive(Debug, Clone, ParamGroup)]
pub struct ChosenParams {
    /// The best model, fitted.
    #[param(required)]
    pub best_model: StageRef,
    /// The metric that decided the comparison.
    #[param(required, non_empty)]
    pub evaluation_metric: String,
    /// The value of the metric for the best model.
    #[param(required)]
    pub best_metric: f64,
    /// The table of all compared models, as an Arrow IPC stream. Use `getAllModelMetrics` to read it.
    #[param(required)]
    pub model_metrics: FileSource,
}

/// A stage that predicts without learning: it copies a column under another name.
pub fn renaming(column: &str) -> Value {
    json!({"class": "mmlrs.stages.RenameColumn", "params": {"inputCol": column, "outputCol": "prediction"}})
}

/// Params of a selected model, for samples.
pub fn chosen_sample() -> Value {
    json!({
        "bestModel": renaming("score"),
        "evaluationMetric": "accuracy",
        "bestMetric": 1.0,
        "modelMetrics": FileSource::of(&[]).to_value(),
    })
}
