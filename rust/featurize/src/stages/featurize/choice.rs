//! From what the fit has seen of a column to its encoding.

use arrow_schema::{DataType, Field};
use mmlrs_core::Result;
use mmlrs_text::DocumentFrequencies;
use serde_json::Value;

use super::encoder::Encoding;
use super::summary::Summary;
use super::texts::Texts;
use super::words::Words;
use crate::attributes::{attributes_of, declared_levels};

/// The params that decide.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Replace missing values.
    pub impute: bool,
    /// One slot for each level.
    pub one_hot: bool,
    /// Number of slots of hashed words.
    pub num_features: usize,
    /// Number of rows that the fit has seen.
    pub rows: u64,
    /// In how many of them a word must be to have a slot, where a user says so.
    pub min_doc_freq: Option<u64>,
}

/// Why a column is left out that has nothing to learn from.
const NO_VALUE: &str = "has no value: all are missing, or infinite";
/// Why a column of texts or of lists of words is left out that has no word at all.
const NO_WORD: &str = "has no word in any row";
/// With so many rows for each different word of a column its texts are levels that repeat, and all words have a slot.
const ROWS_OF_A_LEVEL: u64 = 5;
/// With so many different words in a row on average, and so many times more words than rows in all, texts are prose, and all
/// words have a slot: no slot tells a row apart, and of all fits a learner takes the smallest.
const WORDS_OF_PROSE: u64 = 12;
const VOCABULARY_OF_PROSE: u64 = 4;
/// Of other words there is at most a slot for so many rows, and for small tables the square root of the rows, or so many.
const ROWS_OF_A_SLOT: u64 = 30;
const FEWEST_SLOTS: u64 = 10;

impl Choice {
    /// The encoding of a column. One without any value is left out.
    pub fn encoding(&self, summary: Summary, field: &Field) -> Result<Encoding> {
        let (one_hot, fill) = (self.one_hot, self.impute);
        if let (Summary::Number(_), Some(levels)) = (&summary, nominal_levels(field)) {
            return Ok(Encoding::Codes { levels, one_hot, fill });
        }
        let mean = |mean: f64| self.impute.then_some(mean);
        let made = match summary {
            Summary::Untyped => None,
            Summary::Number(seen) => seen.value().map(|value| Encoding::Number { fill: mean(value) }),
            Summary::Date(seen) => {
                seen.value().map(|value| Encoding::Date { fill: mean(value).map(|day| day.round() as i32) })
            }
            Summary::Timestamp(seen) => seen.value().map(|value| Encoding::Timestamp {
                fill: mean(value).map(|moment| moment.round() as i64),
                zone: zone_of(field),
            }),
            Summary::Text(texts) => Some(self.text(texts, field)?),
            Summary::Tokens(seen) => seen.map(|words| self.words(&words, true)),
            Summary::Vector { size } => size.map(|size| Encoding::Vector { size }),
        };
        Ok(made.unwrap_or_else(|| Encoding::LeftOut { cause: NO_VALUE.to_owned() }))
    }

    fn text(&self, mut texts: Texts, field: &Field) -> Result<Encoding> {
        if texts.is_empty() {
            return Ok(Encoding::LeftOut { cause: NO_VALUE.to_owned() });
        }
        let declared = declared_levels(field);
        let Some(mut levels) = texts.category(declared.is_some()) else {
            return Ok(self.words(texts.as_words(&mut Words::new(self.num_features)?)?, false));
        };
        if let Some(declared) = declared {
            declared.sort(&mut levels, String::clone);
        }
        Ok(Encoding::Levels { levels, one_hot: self.one_hot, fill: self.impute })
    }

    /// The slots of the words that are in enough rows, and their weights: ln((rows + 1) / (rows with it + 1)), as in Spark
    /// ML's IDF. A column of words of which none is, such as one of names, is left out.
    fn words(&self, words: &DocumentFrequencies, tokens: bool) -> Encoding {
        let occurring: Vec<u64> = words.counts().iter().copied().filter(|count| *count > 0).collect();
        if occurring.is_empty() {
            let cause = if words.documents() == 0 { NO_VALUE } else { NO_WORD };
            return Encoding::LeftOut { cause: cause.to_owned() };
        }
        let least = self.min_doc_freq.unwrap_or_else(|| least_rows(occurring, self.rows));
        let documents = words.documents() as f64;
        let kept = words.counts().iter().enumerate().filter(|(_, count)| **count >= least);
        let (slots, weights): (Vec<i32>, Vec<f64>) =
            kept.map(|(slot, count)| (slot as i32, ((documents + 1.0) / (*count as f64 + 1.0)).ln())).unzip();
        if slots.is_empty() {
            let cause = format!(
                "has texts that hardly repeat, like names and identifiers: none of their words is in {least} rows or more \
                 (minDocFreq=1 keeps them all)"
            );
            return Encoding::LeftOut { cause };
        }
        Encoding::Words { num_features: words.counts().len(), slots, weights, tokens }
    }
}

/// In how many of the rows a word must be, for words that are in so many rows each.
///
/// A linear learner without a penalty fits rows by heart with the words that few rows have, and loses on new rows about
/// the share that slots have of rows. The words in the square root of the rows are few, whatever the texts: by Zipf's law
/// their number grows with the square root too, so that their share falls.
fn least_rows(mut counts: Vec<u64>, rows: u64) -> u64 {
    let (words, pairs) = (counts.len() as u64, counts.iter().sum::<u64>());
    let levels = words * ROWS_OF_A_LEVEL <= rows;
    let prose = pairs >= WORDS_OF_PROSE * rows && words >= VOCABULARY_OF_PROSE * rows;
    if levels || prose {
        return 1;
    }
    counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
    let root = (rows as f64).sqrt().ceil() as u64;
    let most = (rows / ROWS_OF_A_SLOT).max(root).max(FEWEST_SLOTS);
    let beyond = usize::try_from(most).ok().and_then(|most| counts.get(most)).copied();
    root.max(beyond.map_or(0, |count| count + 1))
}

fn zone_of(field: &Field) -> Option<String> {
    match field.data_type() {
        DataType::Timestamp(_, zone) => zone.as_deref().map(str::to_owned),
        _ => None,
    }
}

/// The levels of a column that is marked as nominal.
fn nominal_levels(field: &Field) -> Option<Vec<String>> {
    let attributes = attributes_of(field)?;
    if attributes.get("type").and_then(Value::as_str) != Some("nominal") {
        return None;
    }
    let levels = attributes.get("vals").and_then(Value::as_array);
    if let Some(levels) = levels {
        return Some(levels.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect());
    }
    let number = attributes.get("num_vals").and_then(Value::as_u64)?;
    Some((0..number).map(|code| code.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_names_no_word_is_in_enough_rows() {
        assert_eq!(least_rows(vec![1; 900], 1000), 32);
    }

    #[test]
    fn words_of_levels_and_of_prose_all_have_slots() {
        assert_eq!(least_rows(vec![12; 140], 1700), 1);
        assert_eq!(least_rows(vec![4; 5000], 1000), 1);
    }

    #[test]
    fn there_is_a_slot_for_thirty_rows_at_most() {
        let counts: Vec<u64> = (0..3000).map(|word| 3000 - word).collect();
        let least = least_rows(counts.clone(), 6000);
        assert_eq!(least, 2801);
        assert_eq!(counts.iter().filter(|count| **count >= least).count(), 200);
    }

    #[test]
    fn small_tables_have_slots_too() {
        assert_eq!(least_rows(vec![2, 2, 2, 1, 1], 4), 2);
    }
}
