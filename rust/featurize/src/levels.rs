//! The levels of a categorical column: their types, keys and strings.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_cast::cast::cast;
use arrow_schema::DataType;
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::{Error, ParamField, ParamType, Result, ValueList, double_text, float_text};
use serde_json::Value;

use crate::json_number::{json_of, number_of};
use crate::order::{key_of, of_key};

/// The type of a column whose values can be levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelType {
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    String,
}

impl LevelType {
    const ALL: [Self; 8] =
        [Self::Boolean, Self::Byte, Self::Short, Self::Integer, Self::Long, Self::Float, Self::Double, Self::String];

    /// The level type of an Arrow type; `None` if its values cannot be levels.
    pub fn of(data_type: &DataType) -> Option<Self> {
        if is_text(data_type) {
            return Some(Self::String);
        }
        Self::ALL.into_iter().find(|kind| kind.arrow() == *data_type)
    }

    /// The level type of a column, or an error that names the column.
    pub fn of_column(name: &str, data_type: &DataType) -> Result<Self> {
        Self::of(data_type).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::schema(
                name,
                format!("has type {}, whose values cannot be levels; expected one of {names}", type_name(data_type)),
            )
        })
    }

    /// The type with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The type of untyped JSON values.
    pub fn of_values(values: &[Value]) -> Self {
        if values.iter().all(Value::is_boolean) && !values.is_empty() {
            Self::Boolean
        } else if values.iter().all(Value::is_i64) && !values.is_empty() {
            Self::Long
        } else if values.iter().all(Value::is_number) && !values.is_empty() {
            Self::Double
        } else {
            Self::String
        }
    }

    /// The name that users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Integer => "integer",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
        }
    }

    /// The Arrow type.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
        }
    }

    fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// Whether columns of the other type can have these levels. Widths do not matter.
    fn matches(self, other: Self) -> bool {
        let family = |kind: Self| match kind {
            Self::Boolean => 0,
            Self::Byte | Self::Short | Self::Integer | Self::Long => 1,
            Self::Float | Self::Double => 2,
            Self::String => 3,
        };
        family(self) == family(other)
    }

    /// The level of a key as a JSON value.
    pub fn value_of_key(self, key: i64) -> Value {
        match self {
            Self::Boolean => Value::from(key != 0),
            Self::Float | Self::Double => json_of(of_key(key)),
            _ => Value::from(key),
        }
    }

    /// The key of a level; `None` if the value has another type or is a string.
    fn key_of_value(self, value: &Value) -> Option<i64> {
        match self {
            Self::Boolean => value.as_bool().map(i64::from),
            Self::Float | Self::Double => number_of(value).filter(|v| !v.is_nan()).map(key_of),
            Self::String => None,
            _ => value.as_i64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0).map(|v| v as i64)),
        }
    }

    /// A level as a string, formatted as by Spark's cast to string.
    pub fn text(self, value: &Value) -> String {
        match (self, value) {
            (Self::String, Value::String(text)) => text.clone(),
            (Self::Float, _) => number_of(value).map_or_else(|| value.to_string(), |v| float_text(v as f32)),
            (Self::Double, _) => number_of(value).map_or_else(|| value.to_string(), double_text),
            _ => value.to_string(),
        }
    }

    /// The level of a string written by [`Self::text`] or by Spark's cast.
    pub fn value_of_text(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::from(text)),
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
            Self::Float | Self::Double => text.parse::<f64>().ok().map(json_of),
            _ => text.parse::<i64>().ok().map(Value::from),
        }
    }
}

/// A column as keys: integers for all types except strings. Null and NaN are null here.
#[derive(Debug)]
pub enum Keys {
    /// Booleans, integers, and floats as [`key_of`].
    Integers(Int64Array),
    /// Strings.
    Texts(StringArray),
}

impl Keys {
    /// The keys of a column of this type.
    pub fn new(array: &ArrayRef, kind: LevelType) -> Result<Self> {
        if kind == LevelType::String {
            return Ok(Self::Texts(cast(array, &DataType::Utf8)?.as_string().clone()));
        }
        if !kind.is_float() {
            return Ok(Self::Integers(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()));
        }
        let numbers = cast(array, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        Ok(Self::Integers(numbers.iter().map(|v| v.filter(|v| !v.is_nan()).map(key_of)).collect()))
    }
}

/// The levels of a categorical column, in the order of their indices.
#[derive(Debug, Clone)]
pub struct Levels {
    values: Vec<Value>,
    lookup: OnceLock<Result<Lookup>>,
    array: OnceLock<Result<ArrayRef>>,
}

/// The index of each level, by its key.
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    integers: HashMap<i64, u32>,
    texts: HashMap<String, u32>,
}

impl Lookup {
    /// The index of a key.
    pub fn integer(&self, key: i64) -> Option<u32> {
        self.integers.get(&key).copied()
    }

    /// The index of a string.
    pub fn text(&self, text: &str) -> Option<u32> {
        self.texts.get(text).copied()
    }
}

impl ParamField for Levels {
    const TYPE: ParamType = ParamType::ValueList;

    fn from_value(value: &Value) -> Result<Self, String> {
        let ValueList(values) = ValueList::from_value(value)?;
        Ok(Self { values, lookup: OnceLock::new(), array: OnceLock::new() })
    }
}

impl Levels {
    /// The levels as JSON values.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The type with that name, or the type of the values if no name is given.
    pub fn kind(&self, name: Option<&String>) -> LevelType {
        name.and_then(|name| LevelType::parse(name)).unwrap_or_else(|| LevelType::of_values(&self.values))
    }

    /// The index of each level, computed on the first call, for columns whose values can have these levels.
    pub fn lookup(&self, kind: LevelType, column: &str, data_type: &DataType) -> Result<&Lookup> {
        let actual = LevelType::of_column(column, data_type)?;
        if !kind.matches(actual) {
            let message = format!("has type {}, but its levels are of type {}", actual.name(), kind.name());
            return Err(Error::schema(column, message));
        }
        self.lookup.get_or_init(|| self.make_lookup(kind)).as_ref().map_err(Clone::clone)
    }

    fn make_lookup(&self, kind: LevelType) -> Result<Lookup> {
        let mut lookup = Lookup::default();
        for (index, value) in self.values.iter().enumerate() {
            let index = index as u32;
            let before = match (kind, value) {
                (LevelType::String, Value::String(text)) => lookup.texts.insert(text.clone(), index),
                _ => lookup.integers.insert(kind.key_of_value(value).ok_or_else(|| mistyped(kind, value))?, index),
            };
            if before.is_some() {
                return Err(Error::param("levels", format!("must be distinct, got {value} twice")));
            }
        }
        Ok(lookup)
    }

    /// The levels as a column, computed on the first call.
    pub fn array(&self, kind: LevelType) -> Result<&ArrayRef> {
        self.array.get_or_init(|| self.make_array(kind)).as_ref().map_err(Clone::clone)
    }

    fn make_array(&self, kind: LevelType) -> Result<ArrayRef> {
        if kind == LevelType::String {
            let texts = self.values.iter().map(|v| v.as_str().ok_or_else(|| mistyped(kind, v)));
            return Ok(Arc::new(StringArray::from(texts.collect::<Result<Vec<_>>>()?)));
        }
        let keys = self.values.iter().map(|v| kind.key_of_value(v).ok_or_else(|| mistyped(kind, v)));
        let keys: Vec<i64> = keys.collect::<Result<_>>()?;
        let wide: ArrayRef = match kind {
            LevelType::Boolean => Arc::new(keys.iter().map(|key| Some(*key != 0)).collect::<BooleanArray>()),
            LevelType::Float | LevelType::Double => {
                Arc::new(Float64Array::from_iter_values(keys.iter().map(|key| of_key(*key))))
            }
            _ => Arc::new(Int64Array::from(keys)),
        };
        let array = cast(&wide, &kind.arrow())?;
        match (0..array.len()).find(|i| array.is_null(*i)) {
            Some(i) => Err(mistyped(kind, &self.values[i])),
            None => Ok(array),
        }
    }
}

fn mistyped(kind: LevelType, value: &Value) -> Error {
    Error::param("levels", format!("must be values of type {}, got {value}", kind.name()))
}
