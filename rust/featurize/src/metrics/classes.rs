//! The classes of a label column and of a column of predictions, with common ids.

use std::collections::HashMap;

use arrow_array::ArrayRef;
use mmlrs_core::{Error, Result, doubles};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kinds::{Kind, texts_of};
use crate::json_number::{json_of, number_of};
use crate::order::{key_of, of_key};

/// Maximum number of classes for which a confusion matrix is kept: 128 MiB of counts.
const MAX_CLASSES: usize = 4096;

/// Doubles represent every integer below this one exactly.
const LARGEST_INTEGER: f64 = 9_007_199_254_740_992.0;

/// One class. Numbers sort before strings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// A number, as a key with the same order.
    Number(i64),
    /// A string.
    Text(String),
}

impl Class {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(key) => Some(of_key(*key)),
            Self::Text(_) => None,
        }
    }

    /// Whether it is 1, the second of the classes 0 and 1. None if it is neither.
    pub fn is_positive(&self) -> Option<bool> {
        let of = |number: f64| *self == Self::Number(key_of(number));
        (of(0.0) || of(1.0)).then(|| of(1.0))
    }

    /// The class as a label.
    pub fn to_value(&self) -> Value {
        match (self, self.index()) {
            (Self::Text(text), _) => Value::from(text.as_str()),
            (_, Some(place)) => Value::from(place),
            _ => self.number().map_or(Value::Null, json_of),
        }
    }

    /// The number as an index of a class.
    pub fn index(&self) -> Option<usize> {
        self.number().filter(|n| *n >= 0.0 && n.fract() == 0.0 && *n < 1e9).map(|n| n as usize)
    }
}

/// The error for a cell without a value.
pub const MISSING: &str = "is null or NaN";

/// The error for a label that is not one of the given labels.
pub fn unseen(array: &ArrayRef, row: usize) -> String {
    let shown = arrow_cast::display::array_value_to_string(array, row).unwrap_or_default();
    format!("has the value {shown}, which is not one of the labels")
}

/// A cell of a column of classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Its class, by its id in [`Classes`].
    Class(u32),
    /// Null or NaN.
    Missing,
    /// Not one of the given labels.
    Unseen,
}

/// The classes read so far.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Classes(Vec<Class>);

impl Classes {
    /// The class of an id from [`Self::cells`] or [`Self::number_of`].
    pub fn class(&self, id: u32) -> &Class {
        &self.0[id as usize]
    }

    /// All classes by id.
    pub fn all(&self) -> &[Class] {
        &self.0
    }

    /// The id of a class; new if the class did not occur before.
    pub fn number_of(&mut self, class: Class) -> Result<u32> {
        if let Some(id) = self.0.iter().position(|c| *c == class) {
            return Ok(id as u32);
        }
        if self.0.len() == MAX_CLASSES {
            let message =
                format!("has more than {MAX_CLASSES} classes; for numbers that are not classes use regression");
            return Err(Error::limit(message));
        }
        self.0.push(class);
        Ok(self.0.len() as u32 - 1)
    }

    /// The cells of a column: the class of each value. With `labels` it is the index of the equal label.
    pub fn cells(&mut self, column: &str, array: &ArrayRef, labels: Option<&[Value]>) -> Result<Vec<Cell>> {
        let text = Kind::of(column, array.data_type())? != Kind::Number;
        let place_of: Option<HashMap<Class, usize>> =
            labels.map(|labels| labels.iter().enumerate().filter_map(|(i, v)| Some((class_of(v, text)?, i))).collect());
        let placed = |class: Class| match &place_of {
            None => Some(class),
            Some(places) => places.get(&class).map(|place| Class::Number(key_of(*place as f64))),
        };
        let cells = if text {
            let texts = texts_of(array)?;
            self.each(texts.iter(), |text| placed(Class::Text(text.to_owned())))
        } else {
            let numbers = doubles(column, array)?;
            if !array.data_type().is_floating()
                && let Some(large) = numbers.iter().flatten().find(|number| number.abs() >= LARGEST_INTEGER)
            {
                return Err(Error::decode(format!(
                    "holds the number {large}, and numbers beyond 2^53 cannot be distinguished; convert the column to string"
                ))
                .at_column(column));
            }
            let keys = numbers.iter().map(|v| v.filter(|v| !v.is_nan()).map(key_of));
            self.each(keys, |key| placed(Class::Number(key)))
        };
        cells.map_err(|e| e.at_column(column))
    }

    fn each<K: Copy + Eq + std::hash::Hash>(
        &mut self,
        keys: impl Iterator<Item = Option<K>>,
        class_of: impl Fn(K) -> Option<Class>,
    ) -> Result<Vec<Cell>> {
        let mut cell_of_key: HashMap<K, Cell, foldhash::fast::RandomState> = HashMap::default();
        let mut cells = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            let Some(key) = key else {
                cells.push(Cell::Missing);
                continue;
            };
            let cell = if let Some(cell) = cell_of_key.get(&key) {
                *cell
            } else {
                let class = class_of(key).map(|class| self.number_of(class)).transpose()?;
                *cell_of_key.entry(key).or_insert(class.map_or(Cell::Unseen, Cell::Class))
            };
            cells.push(cell);
        }
        Ok(cells)
    }
}

/// A label as the class of a column of strings or of numbers. None if no value of such a column can equal it.
pub fn class_of(value: &Value, text: bool) -> Option<Class> {
    if text {
        return Some(Class::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    let number = match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) => text.parse().ok().or_else(|| text.parse::<bool>().ok().map(|v| f64::from(u8::from(v)))),
        other => number_of(other),
    };
    number.filter(|n| !n.is_nan()).map(|n| Class::Number(key_of(n)))
}
/// The local id of a class that another state has under `id`. States come from other processes, and a damaged state may contain
/// an invalid id.
pub fn own_id(ids: &[u32], id: u32) -> Result<u32> {
    let damaged = || Error::runtime("the state of the fit is damaged: it refers to a class that does not exist");
    ids.get(id as usize).copied().ok_or_else(damaged)
}
