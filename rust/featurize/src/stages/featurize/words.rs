//! Text as hashed words, with the defaults of `TextFeaturizer`: lower case, split at white space.

use std::borrow::Cow;

use mmlrs_core::{Error, Result};
use mmlrs_text::{DocumentFrequencies, JavaRegex, SparseRow, TextHasher, TextOptions, Tokenizer};

/// Counts the words of strings.
#[derive(Debug, Clone)]
pub struct Words {
    hasher: TextHasher,
    row: SparseRow,
}

impl Words {
    /// Words hashed into this many slots.
    pub fn new(num_features: usize) -> Result<Self> {
        let pattern = JavaRegex::new(r"\s+").map_err(Error::runtime)?;
        let tokenizer = Tokenizer { pattern, gaps: true, min_length: 0, lowercase: true };
        let num_features = i32::try_from(num_features)
            .map_err(|_| Error::param("numFeatures", format!("must be below 2^31, got {num_features}")))?;
        let options =
            TextOptions { tokenizer: Some(tokenizer), stop_words: None, n_gram: None, binary: false, num_features };
        Ok(Self { hasher: TextHasher::new(options), row: SparseRow::default() })
    }

    /// The slots of the words of a string, ascending, and their counts.
    pub fn of(&mut self, text: &str) -> &SparseRow {
        self.hasher.hash_row(text, &mut self.row);
        &self.row
    }

    /// The slots of the given words, without nulls.
    pub fn of_tokens<'t>(&mut self, tokens: impl Iterator<Item = Option<Cow<'t, str>>>) -> &SparseRow {
        let tokens: Vec<Cow<'t, str>> = tokens.flatten().collect();
        self.hasher.hash_tokens(tokens.iter().map(|token| Some(token.as_ref())), &mut self.row);
        &self.row
    }

    /// Number of slots.
    pub fn num_features(&self) -> usize {
        self.hasher.num_features()
    }

    /// Adds a string that occurs in a number of rows to the document frequencies.
    #[inline]
    pub fn count(&mut self, text: &str, rows: u64, frequencies: &mut DocumentFrequencies) {
        self.hasher.hash_row(text, &mut self.row);
        frequencies.add_times(&self.row, rows);
    }
}
