//! The Python types of a param: the accepted type, the type that a getter returns, and the place in a signature.

use mmlrs_core::{Constraint, Default, ParamSpec, ParamType};
use serde_json::Value;

/// The type that a setter accepts: `Literal[...]` if only some strings are allowed.
pub fn accepted(param: &ParamSpec) -> String {
    literal(param).unwrap_or_else(|| param.ty.annotation().to_owned())
}

/// The values of a param after conversion.
pub fn held(param: &ParamSpec) -> String {
    let ty = match param.ty {
        ParamType::StrList => "list[str]",
        ParamType::FloatList => "list[float]",
        ParamType::IntList => "list[int]",
        ParamType::ValueList => "list[str | float | bool]",
        ParamType::StrMap => "dict[str, str]",
        ParamType::Operations => "list[dict[str, Any]]",
        ParamType::Model | ParamType::File | ParamType::Weights => "ModelHandle",
        ParamType::Network => "str",
        ParamType::StageList => "list[Params]",
        other => other.annotation(),
    };
    ty.to_owned()
}

/// What the getter of a param returns.
pub fn returned(param: &ParamSpec) -> String {
    let ty = literal(param).unwrap_or_else(|| held(param));
    if may_be_none(param) { format!("{ty} | None") } else { ty }
}

/// Whether the param of a complete stage may be None.
pub fn may_be_none(param: &ParamSpec) -> bool {
    param.optional && param.default == Default::None
}

/// Whether the param must be set.
pub fn is_required(param: &ParamSpec) -> bool {
    !param.optional && param.default == Default::None
}

/// The param in the signature of the constructor: `miniBatchSize: int = 64`.
pub fn argument(param: &ParamSpec) -> String {
    let (name, ty) = (param.name, accepted(param));
    match &param.default {
        Default::Value(value) => format!("{name}: {ty} = {}", python_literal(value)),
        Default::None if !param.optional => format!("{name}: {ty}"),
        // The uid and the defaults of the Python class exist only when a stage is constructed.
        _ => format!("{name}: {ty} | None = None"),
    }
}

/// `InputCol` from `inputCol`.
pub fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|c| c.to_ascii_uppercase().to_string()).unwrap_or_default() + chars.as_str()
}

fn literal(param: &ParamSpec) -> Option<String> {
    match param.constraint {
        Constraint::OneOf(values) => {
            let quoted: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
            Some(format!("Literal[{}]", quoted.join(", ")))
        }
        _ => None,
    }
}

/// A JSON value as Python source.
pub fn python_literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(python_literal).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let items: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}: {}", python_literal(v))).collect();
            format!("{{{}}}", items.join(", "))
        }
        other => other.to_string(),
    }
}
