//! The kernel, which converts a string to the counts of its hashed terms.

use std::sync::Arc;

use crate::lower::lower_into;
use crate::slot::Slots;
use crate::stop_words::StopWords;
use crate::tokens::Tokenizer;

/// The processing of a string before its terms are counted.
#[derive(Debug, Clone)]
pub struct TextOptions {
    /// The tokenizer; None if the input is tokens.
    pub tokenizer: Option<Tokenizer>,
    /// Tokens to leave out.
    pub stop_words: Option<StopWords>,
    /// Length of the n-grams to count. None counts the tokens.
    pub n_gram: Option<usize>,
    /// Count every term as 1.
    pub binary: bool,
    /// Number of slots, at least 1.
    pub num_features: i32,
}

/// The slots of a vector with a value, ascending, and their values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRow {
    /// Slots.
    pub indices: Vec<i32>,
    /// Their values.
    pub values: Vec<f64>,
}

/// Counts the hashed terms of one string after the other, in reusable buffers.
///
/// A clone shares the options and has its own buffers, so that each thread can use one.
#[derive(Debug, Clone)]
pub struct TextHasher {
    options: Arc<TextOptions>,
    slots: Slots,
    lower: String,
    terms: Terms,
}

impl TextHasher {
    /// A hasher with empty buffers.
    pub fn new(options: TextOptions) -> Self {
        let slots = Slots::new(options.num_features);
        Self { options: Arc::new(options), slots, lower: String::new(), terms: Terms::default() }
    }

    /// Number of slots.
    pub fn num_features(&self) -> usize {
        self.slots.number()
    }

    /// Counts the terms of a string into `out`, which is overwritten. Without a tokenizer the string is one token.
    pub fn hash_row(&mut self, text: &str, out: &mut SparseRow) {
        let Self { options, slots, lower, terms } = self;
        let mut sink = Sink { options, slots: *slots, terms, lowered: false };
        sink.terms.clear();
        match &options.tokenizer {
            None => sink.token(text),
            Some(tokenizer) => {
                let text = if tokenizer.lowercase {
                    lower.clear();
                    lower_into(text, lower);
                    sink.lowered = true;
                    lower.as_str()
                } else {
                    text
                };
                tokenizer.each(text, |token| sink.token(token));
            }
        }
        sink.finish(out);
    }

    /// Counts the terms of a list of tokens into `out`, which is overwritten. A null token is counted, as in Spark.
    pub fn hash_tokens<'t>(&mut self, tokens: impl Iterator<Item = Option<&'t str>>, out: &mut SparseRow) {
        let mut sink = Sink { options: &self.options, slots: self.slots, terms: &mut self.terms, lowered: false };
        sink.terms.clear();
        for token in tokens {
            match token {
                Some(token) => sink.token(token),
                None => sink.null(),
            }
        }
        sink.finish(out);
    }
}

/// Buffers of one row.
#[derive(Debug, Clone, Default)]
struct Terms {
    /// Slots of the terms so far.
    slots: Vec<i32>,
    /// For n-grams: the kept tokens, separated by spaces, and the position where each begins and ends.
    joined: String,
    tokens: Vec<(usize, usize)>,
    folded: String,
}

impl Terms {
    fn clear(&mut self) {
        self.slots.clear();
        self.joined.clear();
        self.tokens.clear();
    }
}

/// Receives the tokens of one row.
struct Sink<'a> {
    options: &'a TextOptions,
    slots: Slots,
    terms: &'a mut Terms,
    lowered: bool,
}

impl Sink<'_> {
    #[inline]
    fn token(&mut self, token: &str) {
        if let Some(words) = &self.options.stop_words
            && words.contains(token, self.lowered, &mut self.terms.folded)
        {
            return;
        }
        self.keep(token);
    }

    /// A null: it is not a stop word, is `null` in an n-gram, and has a hash of its own.
    fn null(&mut self) {
        if self.options.n_gram.is_some() {
            self.keep("null");
        } else {
            self.terms.slots.push(self.slots.of_null());
        }
    }

    #[inline]
    fn keep(&mut self, token: &str) {
        let Terms { slots, joined, tokens, .. } = &mut *self.terms;
        if self.options.n_gram.is_none() {
            slots.push(self.slots.of(token.as_bytes()));
            return;
        }
        if !tokens.is_empty() {
            joined.push(' ');
        }
        let start = joined.len();
        joined.push_str(token);
        tokens.push((start, joined.len()));
    }

    /// Merges equal slots.
    fn finish(self, out: &mut SparseRow) {
        let Terms { slots, joined, tokens, .. } = self.terms;
        if let Some(n) = self.options.n_gram {
            let joined = joined.as_bytes();
            slots.extend(tokens.windows(n).map(|w| self.slots.of(&joined[w[0].0..w[n - 1].1])));
        }
        slots.sort_unstable();
        out.indices.clear();
        out.values.clear();
        for equal in slots.chunk_by(|a, b| a == b) {
            out.indices.push(equal[0]);
            out.values.push(if self.options.binary { 1.0 } else { equal.len() as f64 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JavaRegex;

    fn options(pattern: &str) -> Result<TextOptions, String> {
        let pattern = JavaRegex::new(pattern)?;
        let tokenizer = Some(Tokenizer { pattern, gaps: true, min_length: 1, lowercase: true });
        Ok(TextOptions { tokenizer, stop_words: None, n_gram: None, binary: false, num_features: 1 << 18 })
    }

    /// The row whose terms are those of `terms`.
    fn terms(terms: &[&str]) -> SparseRow {
        let mut slots: Vec<i32> = terms.iter().map(|t| Slots::new(1 << 18).of(t.as_bytes())).collect();
        slots.sort_unstable();
        let mut row = SparseRow::default();
        for equal in slots.chunk_by(|a, b| a == b) {
            row.indices.push(equal[0]);
            row.values.push(equal.len() as f64);
        }
        row
    }

    fn hashed(options: TextOptions, text: &str) -> SparseRow {
        let (mut hasher, mut out) = (TextHasher::new(options), SparseRow::default());
        hasher.hash_row("something else before it", &mut out);
        hasher.hash_row(text, &mut out);
        out
    }

    #[test]
    fn terms_are_counted() -> Result<(), String> {
        assert_eq!(hashed(options(r"\s+")?, "One two ONE"), terms(&["one", "two", "one"]));
        assert_eq!(hashed(options(r"\s+")?, ""), SparseRow::default());
        let binary = TextOptions { binary: true, ..options(r"\s+")? };
        assert_eq!(hashed(binary, "a a"), terms(&["a"]));
        Ok(())
    }

    #[test]
    fn n_grams_are_of_the_words_that_stay_with_one_space_between() -> Result<(), String> {
        let stop_words = Some(StopWords::new(["the"], false));
        let pairs = TextOptions { n_gram: Some(2), stop_words, ..options("[ ,]+")? };
        assert_eq!(hashed(pairs.clone(), "A, the  dog ran"), terms(&["a dog", "dog ran"]));
        assert_eq!(hashed(pairs, "The dog"), SparseRow::default());
        let single = TextOptions { n_gram: Some(1), ..options(r"\s+")? };
        assert_eq!(hashed(single, "a b"), terms(&["a", "b"]));
        Ok(())
    }

    #[test]
    fn tokens_can_come_from_elsewhere_and_be_null() -> Result<(), String> {
        let mut out = SparseRow::default();
        let pairs = TextOptions { n_gram: Some(2), tokenizer: None, ..options(r"\s+")? };
        TextHasher::new(pairs).hash_tokens([Some("A b"), None].into_iter(), &mut out);
        assert_eq!(out, terms(&["A b null"]));
        let plain = TextOptions { tokenizer: None, ..options(r"\s+")? };
        TextHasher::new(plain).hash_tokens([None, None].into_iter(), &mut out);
        assert_eq!((out.indices, out.values), (vec![42], vec![2.0]));
        Ok(())
    }
}
