//! What the fit learns of each column.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use mmlrs_core::vector::Vectors;
use mmlrs_core::{Error, Result, types};
use serde::{Deserialize, Serialize};

use super::calendar::{days, moments};
use super::texts::Texts;
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
    /// Strings.
    Text(Texts),
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
    pub fn new(column: &str, data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::Boolean => Self::Number(Mean::default()),
            t if t.is_numeric() => Self::Number(Mean::default()),
            DataType::Date32 | DataType::Date64 => Self::Date(Mean::default()),
            DataType::Timestamp(_, _) => Self::Timestamp(Mean::default()),
            t if types::is_text(t) => Self::Text(Texts::default()),
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
            Self::Text(seen) => {
                let texts = arrow_cast::cast(array, &DataType::LargeUtf8)?;
                for text in texts.as_string::<i64>().iter().flatten() {
                    seen.add(text, 1, max_levels, hasher)?;
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
    pub fn merge(&mut self, column: &str, other: Self, max_levels: usize, hasher: &mut Words) -> Result<()> {
        match (self, other) {
            (Self::Number(mean), Self::Number(other))
            | (Self::Date(mean), Self::Date(other))
            | (Self::Timestamp(mean), Self::Timestamp(other)) => mean.merge(other),
            (Self::Text(texts), Self::Text(other)) => texts.merge(other, max_levels, hasher)?,
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

fn same_size(column: &str, size: &mut Option<usize>, found: usize) -> Result<()> {
    let known = *size.get_or_insert(found);
    if known == found {
        return Ok(());
    }
    Err(Error::decode(format!("has vectors of different sizes: {known} and {found}")).at_column(column))
}
