//! Categories of columns as numbers, and as indicators.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, StringArray};
use arrow_schema::{DataType, Field};
use foldhash::fast::FixedState;
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::vector::{VectorBuilder, VectorRow, Vectors, is_number};
use mmlrs_core::{Error, Result, double_text};
use serde::Deserialize;

use crate::arrays::{texts, vectors_field};
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step, usable};

/// The categories of a feature.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    Strings(Vec<String>),
    Numbers(Floats),
}

/// A feature: a column, or a slot of a column of vectors, and the code of each category.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    column: usize,
    #[serde(default)]
    slot: Option<usize>,
    known: Known,
    codes: Floats,
    /// The code of null and NaN. A list of one number. Without it they are unknown.
    #[serde(default)]
    missing: Option<Floats>,
    /// The code of other values. Without it they are rejected.
    #[serde(default)]
    unknown: Option<Floats>,
    /// Number of indicators.
    #[serde(default)]
    width: usize,
    #[serde(skip)]
    strings: HashMap<String, f64, FixedState>,
    #[serde(skip)]
    numbers: HashMap<u64, f64, FixedState>,
}

/// The categories of features as codes side by side, or as indicators: a code is then the place of the slot that is 1, and
/// a negative one stands for no slot.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encode {
    features: Vec<Feature>,
    indicators: bool,
}

#[derive(Debug)]
enum Column {
    Texts(StringArray),
    Numbers(Float64Array),
    Vectors(Box<Vectors>),
}

/// The bits under which a number is looked up: both zeros are one number.
fn key(number: f64) -> u64 {
    if number == 0.0 { 0 } else { number.to_bits() }
}

impl Feature {
    fn ready(mut self, indicators: bool) -> Result<Self, String> {
        let count = match &self.known {
            Known::Strings(strings) => strings.len(),
            Known::Numbers(numbers) => numbers.len(),
        };
        if self.codes.len() != count {
            return Err(format!("it has {} codes for {count} categories", self.codes.len()));
        }
        let single = |code: &Option<Floats>| code.as_ref().is_none_or(|code| code.len() == 1);
        if !single(&self.missing) || !single(&self.unknown) {
            return Err("a code is not one number".to_owned());
        }
        let others = self.missing.iter().chain(&self.unknown).flat_map(|code| code.iter());
        if indicators && self.codes.iter().chain(others).any(|code| code.is_nan() || *code >= self.width as f64) {
            return Err("an indicator has no slot".to_owned());
        }
        match &self.known {
            Known::Strings(strings) if self.slot.is_none() => {
                self.strings = strings.iter().cloned().zip(self.codes.iter().copied()).collect();
            }
            Known::Strings(_) => return Err("vectors have no strings".to_owned()),
            Known::Numbers(numbers) => {
                self.numbers = numbers.iter().map(|number| key(*number)).zip(self.codes.iter().copied()).collect();
            }
        }
        Ok(self)
    }

    /// The code of a cell: an error with the cause if there is none.
    fn code(&self, column: &Column, row: usize) -> Result<f64, String> {
        let (code, is_missing, text) = match column {
            Column::Texts(texts) if texts.is_null(row) => (None, true, String::new()),
            Column::Texts(texts) => match self.strings.get(texts.value(row)) {
                Some(code) => return Ok(*code),
                None => (None, false, format!("\"{:.100}\"", texts.value(row))),
            },
            Column::Numbers(numbers) => {
                let number = if numbers.is_null(row) { f64::NAN } else { numbers.value(row) };
                self.of_number(number)
            }
            Column::Vectors(vectors) => {
                let (vector, slot) = (usable(vectors, row)?, self.slot.unwrap_or(0));
                if slot >= vector.size() {
                    return Err(format!("has a vector of size {}; the stage reads slot {slot}", vector.size()));
                }
                self.of_number(match vector {
                    VectorRow::Dense(values) => values[slot],
                    VectorRow::Sparse { indices, values, .. } => {
                        indices.binary_search(&(slot as i32)).map_or(0.0, |place| values[place])
                    }
                })
            }
        };
        let other = if is_missing { self.missing.as_ref().or(self.unknown.as_ref()) } else { self.unknown.as_ref() };
        match code.or_else(|| other.map(|code| code[0])) {
            Some(code) => Ok(code),
            None if is_missing => Err("is missing; the fitted stage saw no missing value".to_owned()),
            None => Err(format!("has the value {text}, which did not occur in the fit")),
        }
    }

    fn of_number(&self, number: f64) -> (Option<f64>, bool, String) {
        let code = self.numbers.get(&key(number)).copied();
        (code, number.is_nan(), if code.is_none() { double_text(number) } else { String::new() })
    }
}

impl Encode {
    pub fn ready(self) -> Result<Self, String> {
        let features: Vec<Feature> =
            self.features.into_iter().map(|feature| feature.ready(self.indicators)).collect::<Result<_, _>>()?;
        if features.is_empty() { Err("it has no features".to_owned()) } else { Ok(Self { features, ..self }) }
    }

    fn width(&self) -> usize {
        if self.indicators { self.features.iter().map(|feature| feature.width).sum() } else { self.features.len() }
    }
}

impl Step for Encode {
    fn arity(&self) -> Option<usize> {
        self.features.iter().map(|feature| feature.column + 1).max()
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        for feature in self.features.iter().filter(|feature| feature.slot.is_none()) {
            let (field, strings) = (inputs[feature.column], matches!(feature.known, Known::Strings(_)));
            let kind = field.data_type();
            let fits = if strings { is_text(kind) || kind == &DataType::Null } else { is_number(kind) };
            if !fits {
                let expected = if strings { "strings" } else { "numbers" };
                return Err(Error::schema(
                    field.name(),
                    format!("has type {}; the stage was fitted on {expected}", type_name(kind)),
                ));
            }
        }
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.width()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let column = |feature: &Feature| {
            let place = feature.column;
            Ok(match (&feature.known, feature.slot) {
                (_, Some(_)) => Column::Vectors(Box::new(rows.vectors(place)?)),
                (Known::Strings(_), None) => Column::Texts(texts(&rows.names[place], &rows.arrays[place])?),
                (Known::Numbers(_), None) => Column::Numbers(rows.doubles(place)?),
            })
        };
        let columns: Vec<Column> = self.features.iter().map(column).collect::<Result<_>>()?;
        let width = self.width();
        rows.by_pieces(|range, piece| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let (mut codes, mut slots) = (Vec::with_capacity(self.features.len()), Vec::new());
            let ones = vec![1.0; self.features.len()];
            for row in range {
                codes.clear();
                let flaw = self.features.iter().zip(&columns).find_map(|(feature, column)| {
                    feature.code(column, row).map(|code| codes.push(code)).err().map(|cause| (feature.column, cause))
                });
                if let Some(flaw) = flaw {
                    piece.reject(row, flaw)?;
                    out.push_null();
                } else if self.indicators {
                    slots.clear();
                    let mut start = 0;
                    for (feature, code) in self.features.iter().zip(&codes) {
                        slots.extend((*code >= 0.0).then_some(start + *code as i32));
                        start += feature.width as i32;
                    }
                    out.push_sparse(width, &slots, &ones[..slots.len()]);
                } else {
                    out.push_dense(&codes);
                }
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}
