//! What the fit learns of each column.

use std::collections::BTreeMap;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use mmlrs_core::vector::Vectors;
use mmlrs_core::{Error, Result, types};
use mmlrs_text::DocumentFrequencies;
use serde::{Deserialize, Serialize};

use super::calendar::{days, moments};
use super::words::Words;
use crate::numbers::{doubles, is_vector};

/// The summary of one column.
#[derive(Debug, Serialize, Deserialize)]
pub enum Summary {
    /// Numbers, booleans, and the codes of nominal columns.
    Number(Mean),
    /// Days since 1970.
    Date(Mean),
    /// Microseconds since 1970.
    Timestamp(Mean),
    /// Strings: their levels while they are few, and their words.
    Text {
        /// Rows that are not null.
        rows: u64,
        /// Every level with its count; None when there are too many.
        levels: Option<BTreeMap<String, u64>>,
        /// In how many rows each slot of the hashed words occurs.
        words: DocumentFrequencies,
    },
    /// Vectors.
    Vector {
        /// Their size.
        size: Option<usize>,
    },
}

/// Count and mean, which merge without loss of precision.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Mean {
    count: f64,
    mean: f64,
}

impl Mean {
    fn push(&mut self, value: f64) {
        self.count += 1.0;
        self.mean += (value - self.mean) / self.count;
    }

    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if count > 0.0 {
            self.mean += (other.mean - self.mean) * (other.count / count);
            self.count = count;
        }
    }

    /// The mean; None when every value is missing.
    pub fn value(self) -> Option<f64> {
        (self.count > 0.0).then_some(self.mean)
    }
}

impl Summary {
    /// The empty summary for a column of this type.
    pub fn new(column: &str, data_type: &DataType, num_features: usize) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Self::Number(Mean::default()),
            t if t.is_numeric() => Self::Number(Mean::default()),
            DataType::Date32 | DataType::Date64 => Self::Date(Mean::default()),
            DataType::Timestamp(_, _) => Self::Timestamp(Mean::default()),
            t if types::is_text(t) => {
                Self::Text { rows: 0, levels: Some(BTreeMap::new()), words: DocumentFrequencies::new(num_features)? }
            }
            t if is_vector(t) => Self::Vector { size: None },
            other => {
                return Err(Error::schema(
                    column,
                    format!(
                        "has type {other}; Featurize reads numbers, booleans, strings, dates, timestamps, vectors and \
                         arrays of numbers"
                    ),
                ));
            }
        })
    }

    /// Takes a batch of the column in. `max_levels` bounds the levels that are remembered.
    pub fn update(&mut self, column: &str, array: &ArrayRef, max_levels: usize, hasher: &mut Words) -> Result<()> {
        match self {
            Self::Number(mean) => {
                doubles(column, array)?.iter().flatten().filter(|v| v.is_finite()).for_each(|v| mean.push(v));
            }
            Self::Date(mean) => days(column, array)?.iter().flatten().for_each(|v| mean.push(v.into())),
            Self::Timestamp(mean) => moments(column, array)?.0.iter().flatten().for_each(|v| mean.push(v as f64)),
            Self::Text { rows, levels, words } => {
                let texts = arrow_cast::cast(array, &DataType::LargeUtf8)?;
                for text in texts.as_string::<i64>().iter().flatten() {
                    *rows += 1;
                    count_level(levels, text, 1, max_levels);
                    hasher.count(text, words);
                }
            }
            Self::Vector { size } => {
                let vectors = Vectors::from_array(column, array)?;
                for vector in (0..vectors.len()).filter_map(|row| vectors.row(row)) {
                    same_size(column, size, vector.size())?;
                }
            }
        }
        Ok(())
    }

    /// Takes in what another summary of the column has seen.
    pub fn merge(&mut self, column: &str, other: Self, max_levels: usize) -> Result<()> {
        match (self, other) {
            (Self::Number(mean), Self::Number(other))
            | (Self::Date(mean), Self::Date(other))
            | (Self::Timestamp(mean), Self::Timestamp(other)) => mean.merge(other),
            (Self::Text { rows, levels, words }, Self::Text { rows: more, levels: others, words: seen }) => {
                *rows += more;
                words.merge(&seen)?;
                match others {
                    None => *levels = None,
                    Some(others) => {
                        for (level, count) in others {
                            count_level(levels, &level, count, max_levels);
                        }
                    }
                }
            }
            (Self::Vector { size }, Self::Vector { size: other }) => {
                if let Some(other) = other {
                    same_size(column, size, other)?;
                }
            }
            _ => return Err(Error::runtime("summaries of different types").at_column(column)),
        }
        Ok(())
    }
}

fn count_level(levels: &mut Option<BTreeMap<String, u64>>, level: &str, count: u64, max_levels: usize) {
    let Some(known) = levels else { return };
    if let Some(seen) = known.get_mut(level) {
        *seen += count;
    } else if known.len() < max_levels {
        known.insert(level.to_owned(), count);
    } else {
        *levels = None;
    }
}

fn same_size(column: &str, size: &mut Option<usize>, found: usize) -> Result<()> {
    let known = *size.get_or_insert(found);
    if known == found {
        return Ok(());
    }
    Err(Error::decode(format!("has vectors of different sizes: {known} and {found}")).at_column(column))
}
