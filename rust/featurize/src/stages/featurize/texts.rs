//! The summary of a column of strings in the fit.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, LargeStringArray};
use arrow_cast::cast::cast;
use arrow_schema::DataType;
use mmlrs_core::Result;
use mmlrs_core::types::is_text;
use mmlrs_core::vector::is_number;
use mmlrs_text::DocumentFrequencies;
use serde::{Deserialize, Serialize};

use super::words::Words;
use crate::json_number::json_of;
use crate::levels::LevelType;

/// Whether the values of a column can be levels, as strings.
pub fn has_level_texts(data_type: &DataType) -> bool {
    is_text(data_type)
        || is_number(data_type)
        || (data_type.is_temporal() && !matches!(data_type, DataType::Interval(_)))
}

/// The values of a column of levels as strings.
pub fn level_texts(array: &ArrayRef) -> Result<LargeStringArray> {
    if let Some(kind @ (LevelType::Float | LevelType::Double)) = LevelType::of(array.data_type()) {
        let numbers = cast(array, &DataType::Float64)?;
        let texts = numbers.as_primitive::<Float64Type>().iter();
        return Ok(texts.map(|number| number.map(|number| kind.text(&json_of(number)))).collect());
    }
    Ok(cast(array, &DataType::LargeUtf8)?.as_string::<i64>().clone())
}

/// The levels of a column as long as there are few. The words follow from the levels, so words are not counted until there are
/// too many levels.
#[derive(Debug, Serialize, Deserialize)]
pub struct Texts {
    /// The number of rows of every level; None if there are too many.
    levels: Option<HashMap<String, u64, foldhash::fast::RandomState>>,
    /// The number of rows with each slot of the hashed words, without the rows in `levels`.
    words: Option<DocumentFrequencies>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { levels: Some(HashMap::default()), words: None }
    }
}

impl Texts {
    /// Adds a string and its number of rows. `max_levels` bounds the number of levels.
    #[inline]
    pub fn add(&mut self, text: &str, rows: u64, max_levels: usize, hasher: &mut Words) -> Result<()> {
        if let Some(levels) = &mut self.levels {
            if let Some(count) = levels.get_mut(text) {
                *count += rows;
                return Ok(());
            }
            if levels.len() < max_levels {
                levels.insert(text.to_owned(), rows);
                return Ok(());
            }
        }
        let words = self.as_words(hasher)?;
        hasher.count(text, rows, words);
        Ok(())
    }

    /// Adds another column of strings.
    pub fn merge(&mut self, other: Self, max_levels: usize, hasher: &mut Words) -> Result<()> {
        if let Some(words) = other.words {
            self.as_words(hasher)?.merge(&words)?;
        }
        other.levels.iter().flatten().try_for_each(|(text, rows)| self.add(text, *rows, max_levels, hasher))
    }

    /// The levels in order, if the column is a category: few levels that are declared or occur twice on average. A column of
    /// nulls only is text without words.
    pub fn category(&self, declared: bool) -> Option<Vec<String>> {
        let levels = self.levels.as_ref()?;
        let often = declared || 2 * levels.len() as u64 <= levels.values().sum();
        if levels.is_empty() || !often {
            return None;
        }
        let mut texts: Vec<String> = levels.keys().cloned().collect();
        texts.sort_unstable();
        Some(texts)
    }

    /// Whether no string has been added.
    pub fn is_empty(&self) -> bool {
        self.words.is_none() && self.levels.as_ref().is_some_and(HashMap::is_empty)
    }

    /// Converts the levels to counts of words, and returns the counts.
    pub fn as_words(&mut self, hasher: &mut Words) -> Result<&mut DocumentFrequencies> {
        let words = match &mut self.words {
            Some(words) => words,
            none => none.insert(DocumentFrequencies::new(hasher.num_features())?),
        };
        for (text, rows) in self.levels.take().iter().flatten() {
            hasher.count(text, *rows, words);
        }
        Ok(words)
    }
}
