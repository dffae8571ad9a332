//! The summary of a column in the fit.

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field};
use mmlrs_core::vector::Vectors;
use mmlrs_core::{Error, Result, doubles, types};
use mmlrs_text::{DocumentFrequencies, TextLists, is_text_list};
use serde::{Deserialize, Serialize};

use super::calendar::{days, moments};
use super::texts::{Texts, has_level_texts, level_texts};
use super::words::Words;
use crate::attributes::declared_levels;
use crate::numbers::is_vector;

/// The summary of one column.
#[derive(Debug, Serialize, Deserialize)]
pub enum Summary {
    /// Numbers, booleans, and the codes of nominal columns.
    Number(Mean),
    /// Days since 1970.
    Date(Mean),
    /// Microseconds since 1970.
    Timestamp(Mean),
    /// Strings, and other values that are declared as levels.
    Text(Texts),
    /// Lists of strings: the number of rows with each slot of the hashed strings; None before the first row.
    Tokens(Option<DocumentFrequencies>),
    /// Vectors.
    Vector {
        /// Their size.
        size: Option<usize>,
    },
    /// A column without a type, and so without values.
    Untyped,
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

    /// The mean; None if every value is missing.
    pub fn value(self) -> Option<f64> {
        (self.count > 0.0).then_some(self.mean)
    }
}

impl Summary {
    /// The empty summary of a column. Up to `max_levels` values of any type may be declared as levels.
    pub fn new(field: &Field, max_levels: usize) -> Result<Self> {
        let few = declared_levels(field).is_some_and(|levels| levels.len() <= max_levels);
        Ok(match field.data_type() {
            DataType::Null => Self::Untyped,
            t if few && has_level_texts(t) => Self::Text(Texts::default()),
            DataType::Boolean => Self::Number(Mean::default()),
            t if t.is_numeric() => Self::Number(Mean::default()),
            DataType::Date32 | DataType::Date64 => Self::Date(Mean::default()),
            DataType::Timestamp(_, _) => Self::Timestamp(Mean::default()),
            t if types::is_text(t) => Self::Text(Texts::default()),
            t if is_text_list(t) => Self::Tokens(None),
            t if is_vector(t) => Self::Vector { size: None },
            other => {
                return Err(Error::schema(
                    field.name(),
                    format!(
                        "has type {}; Featurize reads numbers, booleans, strings, dates, timestamps, vectors and \
                         arrays of numbers or strings",
                        types::type_name(other)
                    ),
                ));
            }
        })
    }

    /// Adds a batch of the column. `max_levels` bounds the number of levels.
    pub fn update(&mut self, column: &str, array: &ArrayRef, max_levels: usize, hasher: &mut Words) -> Result<()> {
        match self {
            Self::Number(mean) => {
                doubles(column, array)?.iter().flatten().filter(|v| v.is_finite()).for_each(|v| mean.push(v));
            }
            Self::Date(mean) => days(column, array)?.iter().flatten().for_each(|v| mean.push(v.into())),
            Self::Timestamp(mean) => moments(column, array)?.0.iter().flatten().for_each(|v| mean.push(v as f64)),
            Self::Text(texts) => {
                for text in level_texts(array)?.iter().flatten() {
                    texts.add(text, 1, max_levels, hasher)?;
                }
            }
            Self::Tokens(frequencies_so_far) => {
                let lists = TextLists::new(column, array)?;
                let counts = frequencies(frequencies_so_far, hasher)?;
                for tokens in (0..lists.len()).filter_map(|row| lists.row(row)) {
                    counts.add(hasher.of_tokens(tokens));
                }
            }
            Self::Untyped => {}
            Self::Vector { size } => {
                let vectors = Vectors::from_array(column, array)?;
                for vector in (0..vectors.len()).filter_map(|row| vectors.row(row)) {
                    same_size(column, size, vector.size())?;
                }
            }
        }
        Ok(())
    }

    /// Adds another summary of the column.
    pub fn merge(&mut self, column: &str, other: Self, max_levels: usize, hasher: &mut Words) -> Result<()> {
        match (self, other) {
            (Self::Number(mean), Self::Number(other))
            | (Self::Date(mean), Self::Date(other))
            | (Self::Timestamp(mean), Self::Timestamp(other)) => mean.merge(other),
            (Self::Text(texts), Self::Text(other)) => texts.merge(other, max_levels, hasher)?,
            (Self::Tokens(own), Self::Tokens(Some(other))) => frequencies(own, hasher)?.merge(&other)?,
            (Self::Tokens(_), Self::Tokens(None)) | (Self::Untyped, Self::Untyped) => {}
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

/// The frequencies, created on the first call.
fn frequencies<'a>(counts: &'a mut Option<DocumentFrequencies>, hasher: &Words) -> Result<&'a mut DocumentFrequencies> {
    Ok(match counts {
        Some(counts) => counts,
        none => none.insert(DocumentFrequencies::new(hasher.num_features())?),
    })
}

fn same_size(column: &str, size: &mut Option<usize>, actual: usize) -> Result<()> {
    let expected = *size.get_or_insert(actual);
    if expected == actual {
        return Ok(());
    }
    Err(Error::decode(format!("has vectors of different sizes: {expected} and {actual}")).at_column(column))
}
