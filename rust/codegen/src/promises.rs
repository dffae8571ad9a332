//! The "Returns" and "Raises" sections of a docstring, from the descriptor.

use std::fmt::Write as _;

use mmlrs_core::{Accept, Kind, ParamSpec, ParamType, Role, Rows, StageSpec};

use crate::types::is_required;

/// The result of `transform` or `fit`: its name and its description.
pub fn returns(spec: &StageSpec) -> Vec<(&'static str, String)> {
    if spec.kind == Kind::Estimator {
        let text = "The result of `fit`. It has the uid of the estimator.".to_owned();
        return vec![(spec.model.unwrap_or("Model"), text)];
    }
    let mut text = "The result of `transform`, of the same type as the input".to_owned();
    if spec.kind == Kind::Summary {
        text.push_str(": a summary of all rows.");
        return vec![("dataset", text)];
    }
    if let Some(outputs) = names(spec, |p| p.role == Role::Output) {
        let noun = if outputs == "`outputCol`" { "column" } else { "columns" };
        let _ = write!(text, ", with the {noun} named by {}", outputs.replace(" or ", " and "));
    }
    text.push_str(match spec.rows {
        Rows::Kept if has_row_policy(spec) => ". All rows are kept, except those that `handleInvalid` skips.",
        Rows::Kept => ". All rows are kept.",
        Rows::Changed => ". The rows may differ from those of the input.",
    });
    vec![("dataset", text)]
}

/// The errors, each with its causes.
pub fn raises(spec: &StageSpec) -> Vec<(&'static str, String)> {
    let mut errors = Vec::new();
    let mut causes = Vec::new();
    causes.extend(names(spec, is_required).map(|required| format!("{required} is not set")));
    causes.push("a param has an invalid value".to_owned());
    errors.push(("InvalidParamError", sentence(&causes)));
    if let Some(inputs) = names(spec, |p| p.role == Role::Input) {
        errors.push(("ColumnNotFoundError", format!("If the dataset has no column named by {inputs}.")));
    }
    causes.clear();
    let typed = names(spec, |p| p.role == Role::Input && !p.accepts.contains(&Accept::Any));
    causes.extend(typed.map(|inputs| format!("a column named by {inputs} has an unsupported type")));
    let outputs = names(spec, |p| matches!(p.role, Role::Output | Role::ErrorOutput));
    causes.extend(outputs.map(|outputs| format!("a column named by {outputs} already exists")));
    if !causes.is_empty() {
        errors.push(("SchemaMismatchError", sentence(&causes)));
    }
    if let Some(models) = names(spec, |p| p.ty == ParamType::Model) {
        errors.push(("ModelLoadError", format!("If the content of {models} is damaged or is not an ONNX model.")));
    }
    if let Some(files) = names(spec, |p| p.ty.is_content()) {
        errors.push(("IoError", format!("If the file of {files} cannot be read.")));
    }
    if has_row_policy(spec) {
        let text = "If a row cannot be processed and `handleInvalid` is \"error\".";
        errors.push(("DecodeError, LimitExceededError, ExecutionError", text.to_owned()));
    }
    errors
}

fn has_row_policy(spec: &StageSpec) -> bool {
    spec.param("errorCol").is_some()
}

/// The names of the params that `choose` selects: `a` or `b`. `None` if there are none.
fn names(spec: &StageSpec, choose: impl Fn(&ParamSpec) -> bool) -> Option<String> {
    let names: Vec<String> = spec.params.iter().filter(|p| choose(p)).map(|p| format!("`{}`", p.name)).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}

fn sentence(causes: &[String]) -> String {
    format!("If {}.", causes.join(", or "))
}
