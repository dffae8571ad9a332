//! Choice of models and of their hyper-parameters.

use mmlrs_core::{FileSource, METRICS, StageRef, metric_names};
use mmlrs_macros::ParamGroup;
use serde_json::{Value, json};

/// The metrics.
const NAMES: [&str; METRICS.len()] = metric_names([]);

/// How models are compared.
#[derive(Debug, Clone, ParamGroup)]
pub struct ComparisonParams {
    /// The metric that decides: of "mse", "rmse", "mae" and the log loss the lower value is better, of the others the
    /// higher one.
    #[param(default = "accuracy", one_of(&NAMES))]
    pub evaluation_metric: String,
    /// Name of the column of true labels; when not set, from the metadata of the scored columns or the learner's `labelCol`.
    #[param(non_empty, role = input, accepts(any))]
    pub label_col: Option<String>,
    /// Name of the column of scores that the models write; when not set, from the metadata of the scored columns or the
    /// learner's `probabilityCol` or `rawPredictionCol`.
    #[param(non_empty)]
    pub scores_col: Option<String>,
    /// Name of the column of predictions that the models write; when not set, from the metadata of the scored columns or the
    /// learner's `predictionCol`.
    #[param(non_empty)]
    pub scored_labels_col: Option<String>,
    /// What to do with a row in which a label, prediction or score is null or NaN: "error" fails with one error that names
    /// stage, column, row and cause; "skip" compares the models without the row.
    #[param(default = "error", one_of("error", "skip"))]
    pub handle_invalid: String,
}

/// What the models of both estimators hold.
#[derive(Debug, Clone, ParamGroup)]
pub struct ChosenParams {
    /// The best model, fitted.
    #[param(required)]
    pub best_model: StageRef,
    /// The metric that decided.
    #[param(required, non_empty)]
    pub evaluation_metric: String,
    /// Its value for the best model.
    #[param(required)]
    pub best_metric: f64,
    /// The table of what was compared, as an Arrow IPC stream; `getAllModelMetrics` reads it.
    #[param(required)]
    pub model_metrics: FileSource,
}

/// A stage that gives predictions without having learnt: a column under another name.
pub fn renaming(column: &str) -> Value {
    json!({"class": "mmlrs.stages.RenameColumn", "params": {"inputCol": column, "outputCol": "prediction"}})
}

/// Params of a model that was chosen, for samples.
pub fn chosen_sample() -> Value {
    json!({
        "bestModel": renaming("score"),
        "evaluationMetric": "accuracy",
        "bestMetric": 1.0,
        "modelMetrics": FileSource::of(&[]).to_value(),
    })
}
