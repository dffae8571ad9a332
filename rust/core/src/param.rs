//! Param values: from JSON to typed fields, with every check in one place.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::spec::{Default, ParamSpec, ParamType, Role};
use crate::{Error, Result, blob};

/// The params that a user set, by camelCase name, and the uid of their stage.
#[derive(Debug, Clone, std::default::Default)]
pub struct ParamMap {
    /// The stage's uid, which is part of default output column names.
    pub uid: String,
    /// The values. Null means unset.
    pub values: Map<String, Value>,
}

impl ParamMap {
    /// Params of a stage.
    pub fn new(uid: impl Into<String>, values: Map<String, Value>) -> Self {
        Self { uid: uid.into(), values }
    }

    /// Returns an error for a name that is not in `specs`.
    pub fn check_names(&self, specs: &[ParamSpec]) -> Result<()> {
        match self.values.keys().find(|name| specs.iter().all(|s| s.name != name.as_str())) {
            None => Ok(()),
            Some(name) => Err(Error::param(
                name,
                format!(
                    "does not exist{}; the params are {}",
                    crate::suggestion(name, specs.iter().map(|s| s.name)),
                    specs.iter().map(|s| s.name).collect::<Vec<_>>().join(", ")
                ),
            )),
        }
    }

    /// The value of a required param, or its default.
    pub fn get<T: ParamField>(&self, spec: &ParamSpec) -> Result<T> {
        T::read(self, spec)
    }

    fn value(&self, spec: &ParamSpec) -> Option<Value> {
        match self.values.get(spec.name) {
            None | Some(Value::Null) => match &spec.default {
                Default::None | Default::Python(_) => None,
                Default::Value(value) => Some(value.clone()),
                Default::Uid(suffix) => Some(Value::from(format!("{}{suffix}", self.uid))),
            },
            Some(value) => Some(value.clone()),
        }
    }
}

/// A Rust type of a param.
pub trait ParamField: Sized {
    /// The entry in the table of param types.
    const TYPE: ParamType;
    /// Whether the param may be unset.
    const OPTIONAL: bool = false;

    /// Converts a JSON value. The error completes the sentence "param `x` ...".
    fn from_value(value: &Value) -> Result<Self, String>;

    /// Reads the param from the map and checks default, type and constraint.
    fn read(params: &ParamMap, spec: &ParamSpec) -> Result<Self> {
        let value = params.value(spec).ok_or_else(|| Error::param(spec.name, "must be set"))?;
        checked(&value, spec)
    }
}

fn checked<T: ParamField>(value: &Value, spec: &ParamSpec) -> Result<T> {
    let outside = || {
        let sentence = spec.constraint.sentence().unwrap_or_default();
        Error::param(spec.name, format!("{sentence}, got {value}{}", spec.constraint.suggestion(value)))
    };
    let field = T::from_value(value).map_err(|message| {
        // The bounds of the param say more than those of its type.
        let is_outside = value.is_i64() && spec.constraint.sentence().is_some() && !spec.constraint.holds(value);
        if is_outside && T::TYPE == ParamType::Int { outside() } else { Error::param(spec.name, message) }
    })?;
    if spec.role != Role::Plain && has_nul(value) {
        return Err(Error::param(spec.name, format!("must not hold a NUL character, got {value}")));
    }
    if spec.constraint.holds(value) {
        return Ok(field);
    }
    Err(outside())
}

/// Whether a name contains a NUL. Arrow truncates names there.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(key, item)| key.contains('\0') || has_nul(item)),
        _ => false,
    }
}

/// A set of params that several stages share: a field with `#[param(group)]`.
pub trait ParamGroup: Sized {
    /// The descriptors.
    fn specs() -> Vec<ParamSpec>;
    /// Reads the params.
    fn from_params(params: &ParamMap) -> Result<Self>;
    /// The columns the params name as inputs, each with the name of its param.
    fn inputs(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
    /// The row policy, if the group is one.
    fn row_policy(&self) -> Option<crate::RowPolicy> {
        None
    }
}

impl<T: ParamField> ParamField for Option<T> {
    const TYPE: ParamType = T::TYPE;
    const OPTIONAL: bool = true;

    fn from_value(value: &Value) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }

    fn read(params: &ParamMap, spec: &ParamSpec) -> Result<Self> {
        params.value(spec).map(|value| checked(&value, spec)).transpose()
    }
}

fn expected<T>(what: &str, value: &Value) -> Result<T, String> {
    Err(format!("must be {what}, got {value}"))
}

impl ParamField for bool {
    const TYPE: ParamType = ParamType::Bool;
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_bool().map_or_else(|| expected("true or false", value), Ok)
    }
}

impl ParamField for i64 {
    const TYPE: ParamType = ParamType::Int;
    fn from_value(value: &Value) -> Result<Self, String> {
        if let Some(v) = value.as_i64() {
            return Ok(v);
        }
        match value.as_f64() {
            Some(v) if v.fract() == 0.0 && v.abs() < 9e15 => Ok(v as i64),
            Some(v) if v.fract() == 0.0 => expected("an integer from -2^63 to 2^63 - 1", value),
            _ => expected("an integer", value),
        }
    }
}

impl ParamField for usize {
    const TYPE: ParamType = ParamType::Int;
    fn from_value(value: &Value) -> Result<Self, String> {
        let v = i64::from_value(value)?;
        Self::try_from(v).or_else(|_| expected("at least 0", value))
    }
}

impl ParamField for f64 {
    const TYPE: ParamType = ParamType::Float;
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_f64().map_or_else(|| expected("a number", value), Ok)
    }
}

impl ParamField for String {
    const TYPE: ParamType = ParamType::Str;
    fn from_value(value: &Value) -> Result<Self, String> {
        value.as_str().map_or_else(|| expected("a string", value), |s| Ok(s.to_owned()))
    }
}

fn list<T: ParamField>(value: &Value, what: &str) -> Result<Vec<T>, String> {
    let Some(items) = value.as_array() else { return expected(what, value) };
    items.iter().map(|item| T::from_value(item).or_else(|_| expected(what, value))).collect()
}

impl ParamField for Vec<String> {
    const TYPE: ParamType = ParamType::StrList;
    fn from_value(value: &Value) -> Result<Self, String> {
        list(value, "a list of strings")
    }
}

impl ParamField for Vec<f64> {
    const TYPE: ParamType = ParamType::FloatList;
    fn from_value(value: &Value) -> Result<Self, String> {
        list(value, "a list of numbers")
    }
}

impl ParamField for Vec<i64> {
    const TYPE: ParamType = ParamType::IntList;
    fn from_value(value: &Value) -> Result<Self, String> {
        list(value, "a list of integers")
    }
}

/// A list of strings, numbers and booleans, such as the levels of a category.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct ValueList(pub Vec<Value>);

impl ParamField for ValueList {
    const TYPE: ParamType = ParamType::ValueList;
    fn from_value(value: &Value) -> Result<Self, String> {
        let what = "a list of strings, numbers or booleans";
        let Some(items) = value.as_array() else { return expected(what, value) };
        if items.iter().any(|item| item.is_array() || item.is_object() || item.is_null()) {
            return expected(what, value);
        }
        Ok(Self(items.clone()))
    }
}

/// An ordered map from string to string.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct StrMap(pub Vec<(String, String)>);

impl ParamField for StrMap {
    const TYPE: ParamType = ParamType::StrMap;
    fn from_value(value: &Value) -> Result<Self, String> {
        let what = "a map from string to string";
        let Some(map) = value.as_object() else { return expected(what, value) };
        map.iter()
            .map(|(k, v)| v.as_str().map_or_else(|| expected(what, value), |v| Ok((k.clone(), v.to_owned()))))
            .collect::<Result<Vec<_>, String>>()
            .map(Self)
    }
}

/// One operation of a list of operations: its name and its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The value of the key `action`.
    pub action: String,
    /// The other keys.
    pub args: Map<String, Value>,
}

impl ParamField for Vec<Operation> {
    const TYPE: ParamType = ParamType::Operations;
    fn from_value(value: &Value) -> Result<Self, String> {
        let what = "a list of maps, each with the key `action`";
        let Some(items) = value.as_array() else { return expected(what, value) };
        items
            .iter()
            .map(|item| {
                let mut args = item.as_object().cloned().ok_or(())?;
                let action = args.remove("action").and_then(|a| a.as_str().map(str::to_owned)).ok_or(())?;
                Ok(Operation { action, args })
            })
            .collect::<Result<Vec<_>, ()>>()
            .or_else(|()| expected(what, value))
    }
}

/// The location of a model's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ModelSource {
    /// A file on this machine.
    Path(PathBuf),
    /// Bytes stored under their SHA-256 with [`crate::put_blob`].
    Blob(String),
}

impl ModelSource {
    /// The bytes of a blob, if it is stored in this process.
    pub fn stored(&self) -> Option<Arc<[u8]>> {
        match self {
            Self::Blob(sha256) => blob(sha256),
            Self::Path(_) => None,
        }
    }
}

impl ParamField for ModelSource {
    const TYPE: ParamType = ParamType::Model;
    fn from_value(value: &Value) -> Result<Self, String> {
        if let Some(path) = value.get("path").and_then(Value::as_str) {
            return Ok(Self::Path(PathBuf::from(path)));
        }
        if let Some(sha256) = value.get("sha256").and_then(Value::as_str) {
            return Ok(Self::Blob(sha256.to_owned()));
        }
        expected("a path, bytes or a model handle", value)
    }
}

/// The content of a file that is not a model, such as a tokenizer's vocabulary or the learnt state of an estimator.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileSource(pub ModelSource);

impl FileSource {
    /// Stores bytes and refers to them. [`Self::to_value`] is the JSON value of the param.
    pub fn of(bytes: &[u8]) -> Self {
        Self(ModelSource::Blob(crate::put_blob(bytes)))
    }

    /// The value of the param.
    pub fn to_value(&self) -> Value {
        match &self.0 {
            ModelSource::Path(path) => serde_json::json!({"path": path}),
            ModelSource::Blob(sha256) => serde_json::json!({"sha256": sha256}),
        }
    }

    /// The bytes.
    pub fn read(&self) -> Result<Arc<[u8]>> {
        match &self.0 {
            ModelSource::Path(path) => std::fs::read(path).map(Arc::from).map_err(|e| Error::io(path.display(), e)),
            ModelSource::Blob(sha256) => {
                blob(sha256).ok_or_else(|| Error::io(format!("content {sha256}"), "is not in this process"))
            }
        }
    }
}

impl ParamField for FileSource {
    const TYPE: ParamType = ParamType::File;
    fn from_value(value: &Value) -> Result<Self, String> {
        ModelSource::from_value(value).map(Self).or_else(|_| expected("a path, bytes or a handle", value))
    }
}

/// Weights of a network: numbers in single precision, or a network file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WeightsSource(pub FileSource);

impl ParamField for WeightsSource {
    const TYPE: ParamType = ParamType::Weights;
    fn from_value(value: &Value) -> Result<Self, String> {
        FileSource::from_value(value).map(Self)
    }
}

/// The layers of a network: a description as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NetworkLayers(pub String);

impl ParamField for NetworkLayers {
    const TYPE: ParamType = ParamType::Network;
    fn from_value(value: &Value) -> Result<Self, String> {
        String::from_value(value).map(Self)
    }
}

/// Another stage, as its Python class. Only Python knows its behaviour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StageRef {
    /// Module and name of the class.
    pub class: String,
}

impl ParamField for StageRef {
    const TYPE: ParamType = ParamType::Stage;
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.get("class").and_then(Value::as_str) {
            Some(class) => Ok(Self { class: class.to_owned() }),
            None => expected("a stage", value),
        }
    }
}

/// A Python function, which only Python can call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// Its module and name, as `module:name`.
    pub name: String,
}

impl ParamField for FunctionRef {
    const TYPE: ParamType = ParamType::Function;
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.get("function").and_then(Value::as_str) {
            Some(name) => Ok(Self { name: name.to_owned() }),
            None => expected("a function", value),
        }
    }
}

impl ParamField for Vec<StageRef> {
    const TYPE: ParamType = ParamType::StageList;
    fn from_value(value: &Value) -> Result<Self, String> {
        list(value, "a list of stages")
    }
}

/// A space of hyper-parameters: the candidate values for params of stages. Only Python draws from it.
#[derive(Debug, Clone, PartialEq)]
pub struct SpaceRef {
    /// The descriptions of the params, with the uids of their stages.
    pub params: Vec<Value>,
}

impl ParamField for SpaceRef {
    const TYPE: ParamType = ParamType::ParamSpace;
    fn from_value(value: &Value) -> Result<Self, String> {
        match value.get("params").and_then(Value::as_array) {
            Some(params) => Ok(Self { params: params.clone() }),
            None => expected("a space of hyper-parameters", value),
        }
    }
}

/// The columns that a param names, for the derive macro.
pub trait ColumnNames {
    /// Column names read by an input param.
    fn column_names(&self) -> Vec<String>;
}

impl ColumnNames for String {
    fn column_names(&self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl ColumnNames for Vec<String> {
    fn column_names(&self) -> Vec<String> {
        self.clone()
    }
}

impl ColumnNames for StrMap {
    fn column_names(&self) -> Vec<String> {
        self.0.iter().map(|(_, column)| column.clone()).collect()
    }
}

impl<T: ColumnNames> ColumnNames for Option<T> {
    fn column_names(&self) -> Vec<String> {
        self.as_ref().map(ColumnNames::column_names).unwrap_or_default()
    }
}
