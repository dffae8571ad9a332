//! Stage descriptors: the data from which classes, stubs, docs and checks are generated.

use serde_json::{Map, Value, json};

use crate::{Columns, Tag};

/// The complete static description of a stage.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Class name, identical in Rust, Python and docs.
    pub name: &'static str,
    /// Python namespace: `image` means `mmlrs.image`.
    pub module: &'static str,
    /// A one-line summary, then a blank line and the details.
    pub doc: &'static str,
    /// Its role in a pipeline.
    pub kind: Kind,
    /// The language of its implementation.
    pub body: Body,
    /// Its effect on the number of rows.
    pub rows: Rows,
    /// Whether it keeps the columns that it does not name.
    pub columns: Columns,
    /// Other special properties, each with its reason.
    pub tags: &'static [(Tag, &'static str)],
    /// For an estimator: the class of the model it fits.
    pub model: Option<&'static str>,
    /// Its params in the order shown to users.
    pub params: Vec<ParamSpec>,
    /// A runnable example for the docs: lines of Python without `>>>`.
    pub example: &'static str,
}

/// The role of a stage in a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Maps a dataset to a dataset.
    Transformer,
    /// Fits a model on a dataset.
    Estimator,
    /// A transformer fitted by an estimator.
    Model,
    /// Summarizes all rows of a dataset in a new table: a fit without a model.
    Summary,
}

/// The language of a stage's implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A Rust kernel.
    Native,
    /// A Rust kernel with a Python subclass that adds methods, defaults or another implementation on Spark.
    Extended,
    /// A Python subclass with `_transform_spark` and `_transform_table`.
    Python,
}

/// The effect of a stage on the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// One output row per input row, except rows dropped by `handleInvalid="skip"`.
    Kept,
    /// The number may change.
    Changed,
}

/// One param of a stage.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// camelCase name that users write.
    pub name: &'static str,
    /// Its description.
    pub doc: &'static str,
    /// Its type.
    pub ty: ParamType,
    /// Its value when it is not set.
    pub default: Default,
    /// Whether it may be unset.
    pub optional: bool,
    /// The allowed values.
    pub constraint: Constraint,
    /// Whether it names columns.
    pub role: Role,
    /// For input columns: the column types it can read.
    pub accepts: &'static [Accept],
    /// The `ParamGroup` that declares it, if stages share it.
    pub group: Option<&'static str>,
}

/// The value of a param that is not set.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// No default: the param is required, or is optional and unset.
    None,
    /// This value.
    Value(Value),
    /// The stage's uid followed by this suffix.
    Uid(&'static str),
    /// A value that the Python class computes. The string describes it.
    Python(&'static str),
}

/// The closed table of param types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// true or false
    Bool,
    /// 64-bit integer
    Int,
    /// 64-bit float
    Float,
    /// string
    Str,
    /// list of strings
    StrList,
    /// list of floats
    FloatList,
    /// list of 64-bit integers
    IntList,
    /// list of strings, numbers and booleans
    ValueList,
    /// ordered map from string to string
    StrMap,
    /// list of operations, each a map with the key `action`
    Operations,
    /// an ONNX model: path, bytes or handle
    Model,
    /// the content of any other file: path, bytes or handle
    File,
    /// weights of a network: an array, a vector, a model, or a file
    Weights,
    /// layers of a network
    Network,
    /// another stage, of mmlrs or of Spark ML
    Stage,
    /// list of stages, of mmlrs or of Spark ML
    StageList,
    /// a space of hyper-parameters
    ParamSpace,
    /// a Python function
    Function,
}

impl ParamType {
    /// Every type, for tests that loop over the table.
    pub const ALL: [Self; 18] = [
        Self::Bool,
        Self::Int,
        Self::Float,
        Self::Str,
        Self::StrList,
        Self::FloatList,
        Self::IntList,
        Self::ValueList,
        Self::StrMap,
        Self::Operations,
        Self::Model,
        Self::File,
        Self::Weights,
        Self::Network,
        Self::Stage,
        Self::StageList,
        Self::ParamSpace,
        Self::Function,
    ];

    /// Whether the value is the content of a file, which is saved under its SHA-256.
    pub fn is_content(self) -> bool {
        matches!(self, Self::Model | Self::File | Self::Weights)
    }

    /// The name used in descriptors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::StrList => "str_list",
            Self::FloatList => "float_list",
            Self::IntList => "int_list",
            Self::ValueList => "value_list",
            Self::StrMap => "str_map",
            Self::Operations => "operations",
            Self::Model => "model",
            Self::File => "file",
            Self::Weights => "weights",
            Self::Network => "network",
            Self::Stage => "stage",
            Self::StageList => "stage_list",
            Self::ParamSpace => "param_space",
            Self::Function => "function",
        }
    }

    /// The Python annotation.
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::Str => "str",
            Self::StrList => "Sequence[str]",
            Self::FloatList => "Sequence[float]",
            Self::IntList => "Sequence[int]",
            Self::ValueList => "Sequence[str] | Sequence[float] | Sequence[bool]",
            Self::StrMap => "Mapping[str, str]",
            Self::Operations => "Sequence[Mapping[str, Any]]",
            Self::Model | Self::File => "ModelLike",
            Self::Weights => "WeightsLike",
            Self::Network => "NetworkLike",
            Self::Stage => "Params",
            Self::StageList => "Sequence[Params]",
            Self::ParamSpace => "ParamSpace",
            Self::Function => "Callable[..., Any]",
        }
    }

    /// Values of other types, which checks expect to be rejected with a message.
    pub fn invalid_samples(self) -> Vec<Value> {
        match self {
            Self::Bool => vec![json!("yes"), json!([1])],
            Self::Int => vec![json!("one"), json!([1]), json!(1.5)],
            Self::Float => vec![json!("one"), json!([1.0])],
            Self::Str => vec![json!([1]), json!({"a": 1})],
            Self::StrList => vec![json!(1), json!([[1]])],
            Self::FloatList => vec![json!("a"), json!(["a"])],
            Self::IntList => vec![json!("a"), json!([1.5])],
            Self::ValueList => vec![json!("a"), json!([[1]])],
            Self::Operations => vec![json!(1), json!(["resize"])],
            Self::StrMap
            | Self::Model
            | Self::File
            | Self::Weights
            | Self::Network
            | Self::Stage
            | Self::StageList
            | Self::ParamSpace
            | Self::Function => vec![json!(1), json!([1])],
        }
    }
}

/// The allowed values of a param, in addition to its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constraint {
    /// All values of the type.
    None,
    /// Numbers from `min` to `max`; each given bound is included.
    Range(Option<f64>, Option<f64>),
    /// Numbers greater than this one.
    Above(f64),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A non-empty string or list.
    NonEmpty,
}

impl Constraint {
    /// The sentence in docs and errors: "must be ...". `None` if every value is allowed.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Self::None | Self::Range(None, None) => None,
            Self::Range(Some(min), Some(max)) => Some(format!("must be between {min} and {max}")),
            Self::Range(Some(min), None) => Some(format!("must be at least {min}")),
            Self::Range(None, Some(max)) => Some(format!("must be at most {max}")),
            Self::Above(min) => Some(format!("must be greater than {min}")),
            Self::OneOf(values) => {
                let quoted: Vec<String> = values.iter().map(|v| format!("\"{v}\"")).collect();
                Some(format!("must be one of {}", quoted.join(", ")))
            }
            Self::NonEmpty => Some("must not be empty".to_owned()),
        }
    }

    /// Whether `value` satisfies the constraint. Every element of a list of numbers must satisfy it.
    pub fn holds(&self, value: &Value) -> bool {
        if let (Self::Range(..) | Self::Above(_), Value::Array(items)) = (self, value) {
            return items.iter().all(|item| self.holds(item));
        }
        match self {
            Self::None => true,
            Self::Range(min, max) => {
                value.as_f64().is_some_and(|v| min.is_none_or(|m| v >= m) && max.is_none_or(|m| v <= m))
            }
            Self::Above(min) => value.as_f64().is_some_and(|v| v > *min),
            Self::OneOf(values) => value.as_str().is_some_and(|v| values.contains(&v)),
            Self::NonEmpty => match value {
                Value::String(s) => !s.is_empty(),
                Value::Array(a) => !a.is_empty(),
                Value::Object(o) => !o.is_empty(),
                _ => true,
            },
        }
    }

    /// " (did you mean "x"?)" if the value is close to an allowed value.
    pub fn suggestion(&self, value: &Value) -> String {
        let (Self::OneOf(values), Some(text)) = (self, value.as_str()) else { return String::new() };
        crate::nearest(text, values.iter().copied())
            .map(|near| format!(" (did you mean \"{near}\"?)"))
            .unwrap_or_default()
    }

    /// A value of the right type that violates the constraint, for checks.
    pub fn violation(&self) -> Option<Value> {
        match self {
            Self::None | Self::Range(None, None) => None,
            Self::Range(Some(min), _) => Some(json!(min - 1.0)),
            Self::Range(None, Some(max)) => Some(json!(max + 1.0)),
            Self::Above(min) => Some(json!(min)),
            Self::OneOf(_) => Some(json!("no such choice")),
            Self::NonEmpty => Some(json!("")),
        }
    }
}

/// Whether and how a param names columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It names no columns.
    Plain,
    /// Columns that are read (for maps: the values).
    Input,
    /// Columns that are written (for maps: the keys).
    Output,
    /// The column that receives the reasons.
    ErrorOutput,
}

/// A column type that an input accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Spark's image struct, or a native image column.
    Image,
    /// Encoded bytes.
    Binary,
    /// `struct(path, bytes)` of a binary file.
    BinaryFile,
    /// Strings.
    Text,
    /// Numbers and booleans.
    Numeric,
    /// Spark ML vectors, read as lists of 32-bit floats, and lists of numbers.
    Vector,
    /// Spark ML vectors in their own form, dense or sparse, of doubles; also lists of numbers. See [`crate::vector::Vectors`].
    SparseVector,
    /// Arrays, nested to any depth.
    Array,
    /// Tensors: `struct<dtype, shape, data>`.
    Tensor,
    /// Any type.
    Any,
}

impl Accept {
    /// The name used in docs and errors.
    fn word(self) -> &'static str {
        match self {
            Self::Image => "image struct",
            Self::Binary => "encoded bytes",
            Self::BinaryFile => "struct(path, bytes)",
            Self::Text => "string",
            Self::Numeric => "number",
            Self::Vector | Self::SparseVector => "vector or array of numbers",
            Self::Array => "array",
            Self::Tensor => "tensor",
            Self::Any => "any type",
        }
    }

    /// The names of several types for users. If arrays are accepted, vectors are not listed separately.
    pub fn words(kinds: &[Self]) -> String {
        let arrays = kinds.contains(&Self::Array);
        let word = |kind: &Self| if arrays && *kind == Self::Vector { "vector" } else { kind.word() };
        kinds.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

impl StageSpec {
    /// The param with that name.
    pub fn param(&self, name: &str) -> Option<&ParamSpec> {
        self.params.iter().find(|p| p.name == name)
    }

    /// The descriptor as JSON, for Python.
    pub fn to_json(&self) -> Value {
        let params: Vec<Value> = self.params.iter().map(ParamSpec::to_json).collect();
        let tags: Map<String, Value> =
            self.tags.iter().map(|(tag, reason)| (tag.name().to_owned(), json!(reason))).collect();
        json!({
            "name": self.name,
            "module": self.module,
            "doc": self.doc,
            "kind": match self.kind {
                Kind::Transformer => "transformer",
                Kind::Estimator => "estimator",
                Kind::Model => "model",
                Kind::Summary => "summary",
            },
            "model": self.model,
            "body": match self.body { Body::Native | Body::Extended => "native", Body::Python => "python" },
            "rows": match self.rows { Rows::Kept => "kept", Rows::Changed => "changed" },
            "columns": match self.columns { Columns::Kept => "kept", Columns::Changed => "changed" },
            "tags": tags,
            "params": params,
        })
    }
}

impl ParamSpec {
    fn to_json(&self) -> Value {
        let (default, uid_suffix) = match &self.default {
            Default::None | Default::Python(_) => (Value::Null, Value::Null),
            Default::Value(value) => (value.clone(), Value::Null),
            Default::Uid(suffix) => (Value::Null, json!(suffix)),
        };
        json!({
            "name": self.name,
            "doc": self.doc,
            "type": self.ty.name(),
            "default": default,
            "default_uid_suffix": uid_suffix,
            "optional": self.optional,
            "constraint": self.constraint.sentence(),
            "violation": self.constraint.violation(),
            "invalid": self.ty.invalid_samples(),
            "role": match self.role {
                Role::Plain => "plain",
                Role::Input => "input",
                Role::Output => "output",
                Role::ErrorOutput => "error",
            },
            "accepts": self.accepts.iter().map(|a| format!("{a:?}").to_lowercase()).collect::<Vec<_>>(),
        })
    }
}
