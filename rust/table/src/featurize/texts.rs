//! What the fit learns of a column of strings.

use std::collections::HashMap;

use mmlrs_core::Result;
use mmlrs_text::DocumentFrequencies;
use serde::{Deserialize, Serialize};

use super::words::Words;

/// The levels of a column while they are few: they tell its words too, so no word is counted before there are too many.
#[derive(Debug, Serialize, Deserialize)]
pub struct Texts {
    /// Every level with the number of its rows; None when there are too many.
    levels: Option<HashMap<String, u64, foldhash::fast::RandomState>>,
    /// In how many rows each slot of the hashed words occurs, those of the levels left out.
    words: Option<DocumentFrequencies>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { levels: Some(HashMap::default()), words: None }
    }
}

impl Texts {
    /// Takes a text in that so many rows have. `max_levels` bounds the levels that are remembered.
    #[inline]
    pub fn add(&mut self, text: &str, rows: u64, max_levels: usize, hasher: &mut Words) -> Result<()> {
        if let Some(levels) = &mut self.levels {
            if let Some(seen) = levels.get_mut(text) {
                *seen += rows;
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

    /// Takes in what another column of strings has.
    pub fn merge(&mut self, other: Self, max_levels: usize, hasher: &mut Words) -> Result<()> {
        if let Some(words) = other.words {
            self.as_words(hasher)?.merge(&words)?;
        }
        other.levels.iter().flatten().try_for_each(|(text, rows)| self.add(text, *rows, max_levels, hasher))
    }

    /// The levels in order, if the column is a category: few of them, each seen twice on average. A column of nothing but
    /// nulls is text without words.
    pub fn category(&self) -> Option<Vec<String>> {
        let levels = self.levels.as_ref()?;
        if levels.is_empty() || 2 * levels.len() as u64 > levels.values().sum() {
            return None;
        }
        let mut texts: Vec<String> = levels.keys().cloned().collect();
        texts.sort_unstable();
        Some(texts)
    }

    /// Forgets the levels for their words, and gives those.
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
