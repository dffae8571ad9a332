//! Stage descriptors: the data that classes, stubs, docs and checks are generated from.

use serde_json::{Map, Value, json};

use crate::{Columns, Tag};

/// All there is to say about a stage without running it.
#[derive(Debug, Clone)]
pub struct StageSpec {
    /// Class name, the same in Rust, Python and docs.
    pub name: &'static str,
    /// Python namespace: `image` means `mmlrs.image`.
    pub module: &'static str,
    /// First line: what it does. Then a blank line and the rest.
    pub doc: &'static str,
    /// What it is in a pipeline.
    pub kind: Kind,
    /// Where its work is written.
    pub body: Body,
    /// What it does to the number of rows.
    pub rows: Rows,
    /// Does it keep the columns that it does not name?
    pub columns: Columns,
    /// What else is special about it, and why.
    pub tags: &'static [(Tag, &'static str)],
    /// For an estimator: the class of the model it fits.
    pub model: Option<&'static str>,
    /// Its params in the order users see them.
    pub params: Vec<ParamSpec>,
    /// A runnable example for the docs, as the lines after `>>>`-free Python.
    pub example: &'static str,
}

/// What a stage is in a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Maps a dataset to a dataset.
    Transformer,
    /// Fits a model on a dataset.
    Estimator,
    /// A transformer that an estimator made.
    Model,
    /// Describes all rows of a dataset by a table of its own: a fit without a model.
    Summary,
}

/// Where a stage's work is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A Rust kernel.
    Native,
    /// A Rust kernel, and a Python subclass that adds to it: methods, defaults, another way on Spark.
    Extended,
    /// A Python subclass with `_transform_spark` and `_transform_table`.
    Python,
}

/// What a stage does to the number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// One row out for one row in (but for rows dropped by `handleInvalid="skip"`).
    Kept,
    /// May change it.
    Changed,
}

/// One param of a stage.
#[derive(Debug, Clone)]
pub struct ParamSpec {
    /// camelCase name that users write.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its type.
    pub ty: ParamType,
    /// Its value when not set.
    pub default: Default,
    /// May it be unset?
    pub optional: bool,
    /// What values are allowed.
    pub constraint: Constraint,
    /// Does it name columns?
    pub role: Role,
    /// For input columns: the kinds of column it can read.
    pub accepts: &'static [Accept],
    /// The `ParamGroup` that declares it, where stages share it.
    pub group: Option<&'static str>,
}

/// The value of a param that was not set.
#[derive(Debug, Clone, PartialEq)]
pub enum Default {
    /// There is none: the param is required, or optional and unset.
    None,
    /// This value.
    Value(Value),
    /// The stage's uid followed by this text.
    Uid(&'static str),
    /// What the Python class of the stage knows; this text describes it.
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
    /// text
    Str,
    /// list of texts
    StrList,
    /// list of floats
    FloatList,
    /// list of 64-bit integers
    IntList,
    /// list of texts, numbers and booleans
    ValueList,
    /// ordered map from text to text
    StrMap,
    /// list of operations, each a map with the key `action`
    Operations,
    /// an ONNX model: path, bytes or handle
    Model,
    /// the content of any other file: path, bytes or handle
    File,
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
    pub const ALL: [Self; 16] = [
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
        Self::Stage,
        Self::StageList,
        Self::ParamSpace,
        Self::Function,
    ];

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
            Self::Stage => "Params",
            Self::StageList => "Sequence[Params]",
            Self::ParamSpace => "ParamSpace",
            Self::Function => "Callable[..., Any]",
        }
    }

    /// Values of other types, which a check expects to be refused with a message.
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
            | Self::Stage
            | Self::StageList
            | Self::ParamSpace
            | Self::Function => vec![json!(1), json!([1])],
        }
    }
}

/// What values of a param are allowed, beside its type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constraint {
    /// All of the type.
    None,
    /// Numbers from `min` to `max`, both included where given.
    Range(Option<f64>, Option<f64>),
    /// Numbers above this one.
    Above(f64),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// Text or list that is not empty.
    NonEmpty,
}

impl Constraint {
    /// The sentence in docs and errors: "must be ...". `None` when anything goes.
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

    /// Does `value` satisfy it? A list of numbers must satisfy it element by element.
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

    /// " (did you mean "x"?)" for a value that is nearly one of those that are allowed.
    pub fn suggestion(&self, value: &Value) -> String {
        let (Self::OneOf(values), Some(given)) = (self, value.as_str()) else { return String::new() };
        crate::nearest(given, values.iter().copied())
            .map(|near| format!(" (did you mean \"{near}\"?)"))
            .unwrap_or_default()
    }

    /// A value of the right type that is not allowed, for checks.
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

/// Does a param name columns?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does not.
    Plain,
    /// Columns read (for maps: the values).
    Input,
    /// Columns written (for maps: the keys).
    Output,
    /// The column that receives reasons.
    ErrorOutput,
}

/// A kind of column that an input can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// Spark's image struct, or a native image column.
    Image,
    /// Encoded bytes.
    Binary,
    /// `struct(path, bytes)` of a binary file.
    BinaryFile,
    /// Text.
    Text,
    /// Numbers and booleans.
    Numeric,
    /// Spark ML vectors, read as lists of 32-bit floats, and lists of numbers.
    Vector,
    /// Spark ML vectors as they are: dense or sparse, of doubles; and lists of numbers. See [`crate::vector::Vectors`].
    SparseVector,
    /// Arrays, of any nesting.
    Array,
    /// Tensors: `struct<dtype, shape, data>`.
    Tensor,
    /// Anything.
    Any,
}

impl Accept {
    /// The word used in docs and errors.
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

    /// The words of several kinds, as users read them: of a param that reads any array, vectors are only that.
    pub fn words(kinds: &[Self]) -> String {
        let arrays = kinds.contains(&Self::Array);
        let word = |kind: &Self| if arrays && *kind == Self::Vector { "vector" } else { kind.word() };
        kinds.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

impl StageSpec {
    /// The param of that name.
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
