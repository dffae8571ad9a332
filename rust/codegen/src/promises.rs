//! What a stage returns and raises, as its descriptor says.

use mmlrs_core::{Accept, Kind, ParamSpec, ParamType, Role, Rows, StageSpec};

use crate::types::{capitalized, is_required};

/// What `transform` or `fit` returns: its name and what it is.
pub fn returns(spec: &StageSpec) -> Vec<(&'static str, String)> {
    if spec.kind == Kind::Estimator {
        let text = "From `fit`; it has the uid of the estimator.".to_owned();
        return vec![(spec.model.unwrap_or("Model"), text)];
    }
    if spec.kind == Kind::Summary {
        return vec![(
            "dataset",
            "From `transform`; of the kind that was given, the description of all rows.".to_owned(),
        )];
    }
    let columns = names(spec, |p| p.role == Role::Output)
        .map_or_else(String::new, |outputs| format!(" with the columns of {}", outputs.replace(" or ", " and ")));
    let rows = match spec.rows {
        Rows::Kept if has_row_policy(spec) => "all rows but those that are skipped",
        Rows::Kept => "all rows",
        Rows::Changed => "other rows",
    };
    vec![(
        "dataset",
        format!("From `transform`; of the kind that was given,{columns} and {rows}.").replace(", and", " and"),
    )]
}

/// The errors, each with its causes.
pub fn raises(spec: &StageSpec) -> Vec<(&'static str, String)> {
    let mut errors = Vec::new();
    let mut causes = Vec::new();
    causes.extend(names(spec, is_required).map(|required| format!("{required} is not set")));
    causes.push("a param has a value that is not allowed".to_owned());
    errors.push(("InvalidParamError", sentence(&causes)));
    if let Some(inputs) = names(spec, |p| p.role == Role::Input) {
        errors.push(("ColumnNotFoundError", format!("There is no column that {inputs} names.")));
    }
    causes.clear();
    let typed = names(spec, |p| p.role == Role::Input && !p.accepts.contains(&Accept::Any));
    causes.extend(typed.map(|inputs| format!("a column of {inputs} has a type that cannot be read")));
    let outputs = names(spec, |p| matches!(p.role, Role::Output | Role::ErrorOutput));
    causes.extend(outputs.map(|outputs| format!("a column of {outputs} exists already")));
    if !causes.is_empty() {
        errors.push(("SchemaMismatchError", sentence(&causes)));
    }
    if let Some(models) = names(spec, |p| p.ty == ParamType::Model) {
        errors.push(("ModelLoadError", format!("The content of {models} is damaged, or not ONNX.")));
    }
    if let Some(files) = names(spec, |p| matches!(p.ty, ParamType::Model | ParamType::File)) {
        errors.push(("IoError", format!("The file of {files} cannot be read.")));
    }
    if has_row_policy(spec) {
        let text = "A row cannot be processed, and `handleInvalid` is \"error\".";
        errors.push(("DecodeError, LimitExceededError, ExecutionError", text.to_owned()));
    }
    errors
}

fn has_row_policy(spec: &StageSpec) -> bool {
    spec.param("errorCol").is_some()
}

/// The names of the params for which `choose` holds: `a` or `b`. `None` where there are none.
fn names(spec: &StageSpec, choose: impl Fn(&ParamSpec) -> bool) -> Option<String> {
    let names: Vec<String> = spec.params.iter().filter(|p| choose(p)).map(|p| format!("`{}`", p.name)).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}

fn sentence(causes: &[String]) -> String {
    format!("{}.", capitalized(&causes.join(", or ")))
}
