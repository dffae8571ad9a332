//! The encoding of one column in slots, as stored in the model.

use arrow_schema::{DataType, TimeUnit};
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::vector::{is_number, vector_type};
use mmlrs_core::{Error, Result};
use mmlrs_text::is_text_list;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calendar::{DATE_SLOTS, TIME_SLOTS};
use super::texts::has_level_texts;
use crate::numbers::is_vector;

/// The handling of unseen levels and of rows without a level.
#[derive(Debug, Clone, Copy)]
pub struct Strangers {
    /// Whether a row with an unseen level is a row without a level, rather than a bad row.
    pub are_other: bool,
    /// Whether bad rows are kept, as rows without a level.
    pub keeps: bool,
}

/// The encoding of one column. It is saved as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    /// Name of the column.
    pub column: String,
    /// The encoding of its values.
    pub encoding: Encoding,
}

/// The encoding of a column's values in slots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Encoding {
    /// The number itself.
    Number {
        /// Replaces null and NaN.
        fill: Option<f64>,
    },
    /// Year, weekday (Monday is 1), month, day, days since 1970.
    Date {
        /// Days since 1970 that replace null.
        fill: Option<i32>,
    },
    /// The slots of its date, then hour, minute, second, milliseconds since 1970.
    Timestamp {
        /// Microseconds since 1970 that replace null.
        fill: Option<i64>,
        /// The time zone of the fit, which applies to a column without a zone.
        #[serde(default)]
        zone: Option<String>,
    },
    /// A string with few levels, or a value of any type whose levels are declared.
    Levels {
        /// The levels as strings, ascending or in declared order.
        levels: Vec<String>,
        /// One slot for each level, or one slot that holds the level's index.
        one_hot: bool,
        /// Whether null is a row without a level, rather than a bad row.
        fill: bool,
    },
    /// A number that is the index of a level: a nominal column.
    Codes {
        /// The levels, named as in the column's attributes.
        levels: Vec<String>,
        /// One slot for each level, or one slot that holds the level's index.
        one_hot: bool,
        /// Whether null is a row without a level, rather than a bad row.
        fill: bool,
    },
    /// Hashed words, in the slots that occurred in the fit.
    Words {
        /// Number of slots of the hash.
        num_features: usize,
        /// The kept slots, ascending.
        slots: Vec<i32>,
        /// Inverse document frequency of each kept slot.
        weights: Vec<f64>,
        /// Whether the column holds lists of words.
        #[serde(default)]
        tokens: bool,
    },
    /// The vector's own slots.
    Vector {
        /// Number of slots.
        size: usize,
    },
    /// No slots: the column is not read.
    LeftOut {
        /// The reason; completes the sentence "column `x` ...".
        cause: String,
    },
}

impl Encoder {
    /// Number of slots.
    pub fn size(&self) -> usize {
        match &self.encoding {
            Encoding::Number { .. } => 1,
            Encoding::Date { .. } => DATE_SLOTS.len(),
            Encoding::Timestamp { .. } => DATE_SLOTS.len() + TIME_SLOTS.len(),
            Encoding::Levels { levels, one_hot, .. } | Encoding::Codes { levels, one_hot, .. } => {
                if *one_hot {
                    levels.len()
                } else {
                    1
                }
            }
            Encoding::Words { slots, .. } => slots.len(),
            Encoding::Vector { size } => *size,
            Encoding::LeftOut { .. } => 0,
        }
    }

    /// Whether the column is read.
    pub fn is_read(&self) -> bool {
        !matches!(self.encoding, Encoding::LeftOut { .. })
    }

    /// The reason why the column is not read.
    pub fn flaw(&self) -> Option<String> {
        let Encoding::LeftOut { cause } = &self.encoding else { return None };
        Some(format!("column `{}` {cause}", self.column))
    }

    /// Returns an error if the column's type is not that of the fit. A column without a type has only nulls.
    pub fn check_type(&self, data_type: &DataType) -> Result<()> {
        let (fits, kind) = match &self.encoding {
            Encoding::Number { .. } | Encoding::Codes { .. } => (is_number(data_type), "numbers"),
            Encoding::Date { .. } => (matches!(data_type, DataType::Date32 | DataType::Date64), "dates"),
            Encoding::Timestamp { .. } => (matches!(data_type, DataType::Timestamp(..)), "timestamps"),
            Encoding::Levels { .. } => (has_level_texts(data_type), "strings"),
            Encoding::Words { tokens: true, .. } => (is_text_list(data_type), "lists of strings"),
            Encoding::Words { .. } => (is_text(data_type), "strings"),
            Encoding::Vector { .. } => (is_vector(data_type), "vectors"),
            Encoding::LeftOut { .. } => (true, ""),
        };
        if fits || data_type == &DataType::Null {
            return Ok(());
        }
        Err(Error::schema(&self.column, format!("has type {}; the model was fitted on {kind}", type_name(data_type))))
    }

    /// The type used for a column without a type.
    pub fn natural_type(&self) -> DataType {
        match &self.encoding {
            Encoding::Number { .. } | Encoding::Codes { .. } => DataType::Float64,
            Encoding::Date { .. } => DataType::Date32,
            Encoding::Timestamp { zone, .. } => {
                DataType::Timestamp(TimeUnit::Microsecond, zone.as_deref().map(Into::into))
            }
            Encoding::Words { tokens: true, .. } => DataType::new_list(DataType::Utf8, true),
            Encoding::Levels { .. } | Encoding::Words { .. } => DataType::Utf8,
            Encoding::Vector { .. } => vector_type(),
            Encoding::LeftOut { .. } => DataType::Null,
        }
    }

    /// Adds the Spark ML attributes of its slots, starting at `start`. Hashed words and slots of vectors have none.
    pub fn describe(&self, start: usize, strangers: Strangers, attributes: &mut Attributes) {
        let column = &self.column;
        match &self.encoding {
            Encoding::Number { .. } => attributes.numeric.push(json!({"name": column, "idx": start})),
            Encoding::Date { .. } => attributes.name_slots(column, DATE_SLOTS.iter(), start),
            Encoding::Timestamp { .. } => attributes.name_slots(column, DATE_SLOTS.iter().chain(&TIME_SLOTS), start),
            Encoding::Levels { levels, one_hot, fill } | Encoding::Codes { levels, one_hot, fill } => {
                if !one_hot {
                    let mut values = levels.clone();
                    if *fill || strangers.keeps {
                        values.push(unused("__missing", levels));
                    } else if strangers.are_other {
                        values.push(unused("__other", levels));
                    }
                    attributes.nominal.push(json!({"vals": values, "name": column, "idx": start}));
                    return;
                }
                for (i, level) in levels.iter().enumerate() {
                    attributes.binary.push(json!({"name": format!("{column}={level}"), "idx": start + i}));
                }
            }
            Encoding::Words { .. } | Encoding::Vector { .. } | Encoding::LeftOut { .. } => {}
        }
    }
}

/// An unused name for the index after the last level. Trees reject an index that the attributes do not include.
fn unused(name: &str, levels: &[String]) -> String {
    let mut name = name.to_owned();
    while levels.contains(&name) {
        name.insert(0, '_');
    }
    name
}

/// Attributes of slots by kind, as Spark ML groups them.
#[derive(Debug, Default)]
pub struct Attributes {
    numeric: Vec<Value>,
    binary: Vec<Value>,
    nominal: Vec<Value>,
}

impl Attributes {
    fn name_slots<'a>(&mut self, column: &str, names: impl Iterator<Item = &'a &'a str>, start: usize) {
        for (i, name) in names.enumerate() {
            self.numeric.push(json!({"name": format!("{column}_{name}"), "idx": start + i}));
        }
    }

    /// The attributes of all encoders, in order.
    pub fn of(encoders: &[Encoder], strangers: Strangers) -> Value {
        let mut attributes = Self::default();
        let mut start = 0;
        for encoder in encoders {
            encoder.describe(start, strangers, &mut attributes);
            start += encoder.size();
        }
        let mut groups = serde_json::Map::new();
        for (kind, list) in
            [("numeric", attributes.numeric), ("binary", attributes.binary), ("nominal", attributes.nominal)]
        {
            if !list.is_empty() {
                groups.insert(kind.to_owned(), Value::Array(list));
            }
        }
        if groups.is_empty() { json!({"num_attrs": start}) } else { json!({"attrs": groups, "num_attrs": start}) }
    }
}
