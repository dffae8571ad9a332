//! The choice of an encoding from the summary of a column.

use arrow_schema::{DataType, Field};
use mmlrs_core::Result;
use mmlrs_text::DocumentFrequencies;
use serde_json::Value;

use super::encoder::Encoding;
use super::summary::Summary;
use super::texts::Texts;
use super::words::Words;
use crate::attributes::{attributes_of, declared_levels};

/// The params that affect the choice.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// Replace missing values.
    pub impute: bool,
    /// One slot for each level.
    pub one_hot: bool,
    /// Number of slots of hashed words.
    pub num_features: usize,
    /// Number of rows of the fit.
    pub rows: u64,
    /// Minimum number of rows with a word, if the user sets it.
    pub min_doc_freq: Option<u64>,
}

/// The reason for leaving out a column without values.
const NO_VALUE: &str = "has no value: all are missing or not finite";
/// The reason for leaving out a column of strings or of lists of words that contains no words.
const NO_WORD: &str = "has no word in any row";
/// With this number of rows per distinct word, strings are repeating levels, and all words are kept.
const ROWS_OF_A_LEVEL: u64 = 5;
/// With this average number of distinct words per row, and this ratio of distinct words to rows, strings are prose, and all
/// words are kept: no slot identifies a row, and among all fits a learner takes the smallest.
const WORDS_OF_PROSE: u64 = 12;
const VOCABULARY_OF_PROSE: u64 = 4;
/// Other columns of words get at most one slot per this number of rows. Small tables get the square root of the number of rows,
/// or at least this number.
const ROWS_OF_A_SLOT: u64 = 30;
const FEWEST_SLOTS: u64 = 10;

impl Choice {
    /// The encoding of a column. A column without values is left out.
    pub fn encoding(&self, summary: Summary, field: &Field) -> Result<Encoding> {
        let (one_hot, fill) = (self.one_hot, self.impute);
        if let (Summary::Number(_), Some(levels)) = (&summary, nominal_levels(field)) {
            return Ok(Encoding::Codes { levels, one_hot, fill });
        }
        let mean = |mean: f64| self.impute.then_some(mean);
        let encoding = match summary {
            Summary::Untyped => None,
            Summary::Number(mean_so_far) => mean_so_far.value().map(|value| Encoding::Number { fill: mean(value) }),
            Summary::Date(mean_so_far) => {
                mean_so_far.value().map(|value| Encoding::Date { fill: mean(value).map(|day| day.round() as i32) })
            }
            Summary::Timestamp(mean_so_far) => mean_so_far.value().map(|value| Encoding::Timestamp {
                fill: mean(value).map(|moment| moment.round() as i64),
                zone: zone_of(field),
            }),
            Summary::Text(texts) => Some(self.text(texts, field)?),
            Summary::Tokens(frequencies) => frequencies.map(|words| self.words(&words, true)),
            Summary::Vector { size } => size.map(|size| Encoding::Vector { size }),
        };
        Ok(encoding.unwrap_or_else(|| Encoding::LeftOut { cause: NO_VALUE.to_owned() }))
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

    /// The slots of the words that occur in enough rows, and their weights: ln((rows + 1) / (rows with the word + 1)), as in
    /// Spark ML's IDF. A column without such words, such as a column of names, is left out.
    fn words(&self, words: &DocumentFrequencies, tokens: bool) -> Encoding {
        let occurring: Vec<u64> = words.counts().iter().copied().filter(|count| *count > 0).collect();
        if occurring.is_empty() {
            let cause = if words.documents() == 0 { NO_VALUE } else { NO_WORD };
            return Encoding::LeftOut { cause: cause.to_owned() };
        }
        let min_rows = self.min_doc_freq.unwrap_or_else(|| least_rows(occurring, self.rows));
        let documents = words.documents() as f64;
        let frequent = words.counts().iter().enumerate().filter(|(_, count)| **count >= min_rows);
        let (slots, weights): (Vec<i32>, Vec<f64>) =
            frequent.map(|(slot, count)| (slot as i32, ((documents + 1.0) / (*count as f64 + 1.0)).ln())).unzip();
        if slots.is_empty() {
            let cause = format!(
                "has texts that hardly repeat, like names and identifiers: no word occurs in {min_rows} rows or more \
                 (minDocFreq=1 keeps them all)"
            );
            return Encoding::LeftOut { cause };
        }
        Encoding::Words { num_features: words.counts().len(), slots, weights, tokens }
    }
}

/// The minimum number of rows with a word, given the number of rows of each word.
///
/// A linear learner without a penalty memorizes rows by words that few rows have. On new rows it loses about the ratio of slots
/// to rows. The number of words that occur in the square root of the rows is small for any text: by Zipf's law it grows with
/// the square root too, so that the ratio falls.
fn least_rows(mut counts: Vec<u64>, rows: u64) -> u64 {
    let (words, pairs) = (counts.len() as u64, counts.iter().sum::<u64>());
    let levels = words * ROWS_OF_A_LEVEL <= rows;
    let prose = pairs >= WORDS_OF_PROSE * rows && words >= VOCABULARY_OF_PROSE * rows;
    if levels || prose {
        return 1;
    }
    counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
    let root = (rows as f64).sqrt().ceil() as u64;
    let max_slots = (rows / ROWS_OF_A_SLOT).max(root).max(FEWEST_SLOTS);
    let beyond = usize::try_from(max_slots).ok().and_then(|max_slots| counts.get(max_slots)).copied();
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
        let min_rows = least_rows(counts.clone(), 6000);
        assert_eq!(min_rows, 2801);
        assert_eq!(counts.iter().filter(|count| **count >= min_rows).count(), 200);
    }

    #[test]
    fn small_tables_have_slots_too() {
        assert_eq!(least_rows(vec![2, 2, 2, 1, 1], 4), 2);
    }
}
