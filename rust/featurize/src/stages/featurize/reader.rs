//! One column of a batch, read row by row into slots.

use std::collections::HashMap;

use arrow_array::{Array, ArrayRef, Date32Array, Float64Array, LargeStringArray, TimestampMicrosecondArray};
use arrow_schema::DataType;
use mmlrs_core::vector::{Vectors, is_number};
use mmlrs_core::{Error, Result, doubles};
use mmlrs_text::{MAX_COUNTED_SLOTS, TextLists};

use super::calendar::{Zone, date_slots, days, moments, time_slots};
use super::encoder::{Encoder, Encoding, Strangers};
use super::texts::level_texts;
use super::words::Words;
use crate::numbers::{null_at, too_large};
use crate::row::SparseRow;

/// The error of a cell. Its slots are filled in any case.
pub type Flaw = Option<String>;

/// An encoder with its lookup tables, prepared once per model.
#[derive(Debug, Clone)]
pub struct Prepared {
    encoder: Encoder,
    /// For words: the position of every slot of the hash, or -1.
    places: Vec<i32>,
    words: Option<Words>,
    /// For levels: the index of each.
    levels: Levels,
}

type Levels = HashMap<String, usize, foldhash::fast::RandomState>;

impl Prepared {
    /// Prepares an encoder.
    pub fn new(encoder: Encoder) -> Result<Self> {
        let Encoding::Words { num_features, slots, weights, .. } = &encoder.encoding else {
            let mut levels = Levels::default();
            if let Encoding::Levels { levels: texts, .. } = &encoder.encoding {
                levels.extend(texts.iter().cloned().zip(0..));
            }
            return Ok(Self { encoder, places: Vec::new(), words: None, levels });
        };
        let words = Words::new(*num_features)?;
        let fits = *num_features <= MAX_COUNTED_SLOTS
            && slots.len() == weights.len()
            && slots.iter().all(|slot| (*slot as usize) < *num_features);
        if !fits {
            return Err(Error::decode("the encoding of its words is damaged").at_column(&encoder.column));
        }
        let mut places = vec![-1; *num_features];
        for (place, slot) in slots.iter().enumerate() {
            places[*slot as usize] = place as i32;
        }
        Ok(Self { words: Some(words), places, levels: Levels::default(), encoder })
    }

    /// The column's name.
    pub fn column(&self) -> &str {
        &self.encoder.column
    }
}

/// A column of a batch with its encoder.
pub struct Reader<'a> {
    encoder: &'a Encoder,
    cells: Cells<'a>,
    strangers: Strangers,
}

#[expect(clippy::large_enum_variant, reason = "one per column and batch")]
enum Cells<'a> {
    Numbers(Float64Array, Option<f64>),
    Dates(Date32Array, Option<i32>),
    Timestamps(TimestampMicrosecondArray, Zone, Option<i64>),
    Levels {
        texts: LargeStringArray,
        places: &'a Levels,
        size: usize,
        one_hot: bool,
        fill: bool,
    },
    Codes {
        codes: Float64Array,
        size: usize,
        one_hot: bool,
        fill: bool,
    },
    Words {
        texts: Documents,
        words: Box<Words>,
        places: &'a [i32],
        weights: &'a [f64],
    },
    Vectors(Vectors, usize),
    /// A column that is not read.
    Nothing,
}

/// Strings, or lists of words.
enum Documents {
    Texts(LargeStringArray),
    Tokens(TextLists),
}

impl<'a> Reader<'a> {
    /// Returns an error if the column has a type that its encoder does not read.
    pub fn new(prepared: &'a Prepared, array: &ArrayRef, strangers: Strangers) -> Result<Self> {
        let encoder = &prepared.encoder;
        let column = encoder.column.as_str();
        encoder.check_type(array.data_type())?;
        let untyped;
        let array = if array.data_type() == &DataType::Null {
            untyped = arrow_array::new_null_array(&encoder.natural_type(), array.len());
            &untyped
        } else {
            array
        };
        let cells = match &encoder.encoding {
            Encoding::Number { fill } => Cells::Numbers(doubles(column, array)?, *fill),
            Encoding::Date { fill } => Cells::Dates(days(column, array)?, *fill),
            Encoding::Timestamp { fill, .. } => {
                let (micros, zone) = moments(column, array)?;
                Cells::Timestamps(micros, zone, *fill)
            }
            Encoding::Levels { levels, one_hot, fill } => {
                let (places, size) = (&prepared.levels, levels.len());
                let texts = level_texts(array)?;
                let texts = if is_number(array.data_type()) { as_fitted(&texts, places) } else { texts };
                Cells::Levels { texts, places, size, one_hot: *one_hot, fill: *fill }
            }
            Encoding::Codes { levels, one_hot, fill } => {
                Cells::Codes { codes: doubles(column, array)?, size: levels.len(), one_hot: *one_hot, fill: *fill }
            }
            Encoding::Words { weights, tokens, .. } => {
                let words =
                    prepared.words.clone().ok_or_else(|| Error::runtime("an encoder of words lacks a hasher"))?;
                let texts = if *tokens {
                    Documents::Tokens(TextLists::new(column, array)?)
                } else {
                    Documents::Texts(level_texts(array)?)
                };
                Cells::Words { texts, words: Box::new(words), places: &prepared.places, weights }
            }
            Encoding::Vector { size } => Cells::Vectors(Vectors::from_array(column, array)?, *size),
            Encoding::LeftOut { .. } => Cells::Nothing,
        };
        Ok(Self { encoder, cells, strangers })
    }

    /// The column's name.
    pub fn column(&self) -> &'a str {
        &self.encoder.column
    }

    /// Appends the slots of a row. Missing values become NaN, and unknown ones get no level. A missing value is an error, and
    /// so is an unknown one if unseen levels are not allowed.
    pub fn append(&mut self, row: usize, out: &mut SparseRow) -> Flaw {
        let strict = !self.strangers.are_other;
        match &mut self.cells {
            Cells::Numbers(numbers, fill) => {
                let value = if numbers.is_null(row) { f64::NAN } else { numbers.value(row) };
                let value = if value.is_nan() { fill.unwrap_or(f64::NAN) } else { value };
                out.push(value);
                value.is_nan().then(missing)
            }
            Cells::Dates(dates, fill) => {
                let day = if dates.is_null(row) { *fill } else { Some(dates.value(row)) };
                append_moment(day, date_slots, out)
            }
            Cells::Timestamps(micros, zone, fill) => {
                let moment = if micros.is_null(row) { *fill } else { Some(micros.value(row)) };
                append_moment(moment, |moment| time_slots(moment, *zone), out)
            }
            Cells::Levels { texts, places, size, one_hot, fill } => {
                if texts.is_null(row) {
                    return append_level(None, *size, *one_hot, out, (!*fill).then(missing));
                }
                let text = texts.value(row);
                let place = places.get(text).copied();
                let flaw = (strict && place.is_none()).then(|| unseen(&format!("{text:?}")));
                append_level(place, *size, *one_hot, out, flaw)
            }
            Cells::Codes { codes, size, one_hot, fill } => {
                if codes.is_null(row) || codes.value(row).is_nan() {
                    return append_level(None, *size, *one_hot, out, (!*fill).then(missing));
                }
                let code = codes.value(row);
                if code < 0.0 || code.fract() != 0.0 {
                    let flaw = format!("has the value {code}, which is not the index of a level");
                    return append_level(None, *size, *one_hot, out, Some(flaw));
                }
                let in_range = code < *size as f64;
                let flaw = (strict && !in_range).then(|| unseen(&code));
                append_level(in_range.then_some(code as usize), *size, *one_hot, out, flaw)
            }
            Cells::Words { texts, words, places, weights } => {
                let words = match texts {
                    Documents::Texts(texts) => texts.is_valid(row).then(|| words.of(texts.value(row))),
                    Documents::Tokens(lists) => lists.row(row).map(|tokens| words.of_tokens(tokens)),
                };
                if let Some(words) = words {
                    append_words(words, places, weights, out);
                }
                out.size += weights.len();
                None
            }
            Cells::Vectors(vectors, size) => match vectors.row(row) {
                Some(vector) if vector.size() == *size => {
                    out.push_vector(vector);
                    vectors.gap(row).map(null_at)
                }
                other => {
                    if !out.push_missing(*size) {
                        return Some(too_large(*size));
                    }
                    Some(other.map_or_else(missing, |v| format!("has {} slots, expected {size}", v.size())))
                }
            },
            Cells::Nothing => None,
        }
    }
}

/// Numbers spelt as in the levels: 3 and 3.0 are one level, for any type of the column.
fn as_fitted(texts: &LargeStringArray, levels: &Levels) -> LargeStringArray {
    let spelt = |text: &str| {
        let other_spelling = text.strip_suffix(".0").map_or_else(|| format!("{text}.0"), str::to_owned);
        if !levels.contains_key(text) && levels.contains_key(&other_spelling) {
            other_spelling
        } else {
            text.to_owned()
        }
    };
    texts.iter().map(|text| text.map(spelt)).collect()
}

fn missing() -> String {
    "is missing".to_owned()
}

fn unseen(value: &dyn std::fmt::Display) -> String {
    format!("has the value {value}, which did not occur in the fit")
}

/// Appends the slots of a date or timestamp. It is None if the cell is missing, and has no slots if it is beyond the calendar.
fn append_moment<T, const N: usize>(
    moment: Option<T>,
    slots_of: impl FnOnce(T) -> Option<[f64; N]>,
    out: &mut SparseRow,
) -> Flaw {
    let (slots, flaw) = match moment.map(slots_of) {
        None => (None, Some(missing())),
        Some(None) => (None, Some("is outside the supported range of years".to_owned())),
        Some(slots) => (slots, None),
    };
    slots.unwrap_or([f64::NAN; N]).into_iter().for_each(|slot| out.push(slot));
    flaw
}

fn append_level(place: Option<usize>, size: usize, one_hot: bool, out: &mut SparseRow, flaw: Flaw) -> Flaw {
    if one_hot {
        if let Some(place) = place {
            out.indices.push((out.size + place) as i32);
            out.values.push(1.0);
        }
        out.size += size;
    } else {
        out.push(place.unwrap_or(size) as f64);
    }
    flaw
}

fn append_words(words: &mmlrs_text::SparseRow, places: &[i32], weights: &[f64], out: &mut SparseRow) {
    for (slot, count) in words.indices.iter().zip(&words.values) {
        let place = places[*slot as usize];
        if place >= 0 && weights[place as usize] != 0.0 {
            out.indices.push(out.size as i32 + place);
            out.values.push(count * weights[place as usize]);
        }
    }
}
