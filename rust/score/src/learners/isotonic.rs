//! Isotonic regression.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::Field;
use mmlrs_core::Result;
use mmlrs_core::vector::{VectorRow, Vectors, is_number};
use serde::Deserialize;

use super::classifier::nulls_of;
use crate::arrays::number_field;
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step, usable};
use crate::vectors::java_search;

/// A monotonic function, linear between its boundaries and constant outside them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    boundaries: Floats,
    predictions: Floats,
    /// The slot of a vector that holds the feature.
    slot: usize,
    /// Whether a feature outside the boundaries has no prediction: it is NaN.
    #[serde(default)]
    bounded: bool,
}

impl Isotonic {
    pub fn ready(self) -> Result<Self, String> {
        let fits = !self.boundaries.is_empty() && self.boundaries.len() == self.predictions.len();
        if fits { Ok(self) } else { Err("its boundaries do not fit its predictions".to_owned()) }
    }

    fn predict(&self, x: f64) -> f64 {
        let (at, to) = (&self.boundaries, &self.predictions);
        match java_search(at, x) {
            Ok(place) => to[place],
            Err(_) if self.bounded && !(at[0]..=at[at.len() - 1]).contains(&x) => f64::NAN,
            Err(0) => to[0],
            Err(place) if place == at.len() => to[place - 1],
            Err(place) => {
                let (x1, y1, x2, y2) = (at[place - 1], to[place - 1], at[place], to[place]);
                y1 + (y2 - y1) * (x - x1) / (x2 - x1)
            }
        }
    }
}

/// The feature: a column of numbers, or a slot of vectors.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per batch")]
enum Feature {
    Numbers(Float64Array),
    Slot(Vectors, usize),
}

impl Feature {
    fn value(&self, row: usize) -> Result<f64, String> {
        match self {
            Self::Numbers(numbers) if numbers.is_null(row) => Err("is null".to_owned()),
            Self::Numbers(numbers) => Ok(numbers.value(row)),
            Self::Slot(vectors, slot) => {
                let vector = usable(vectors, row)?;
                if vector.size() <= *slot {
                    return Err(format!("has a vector of size {}; the model reads slot {slot}", vector.size()));
                }
                Ok(match vector {
                    VectorRow::Dense(values) => values[*slot],
                    VectorRow::Sparse { indices, values, .. } => {
                        indices.binary_search(&(*slot as i32)).map_or(0.0, |place| values[place])
                    }
                })
            }
        }
    }
}

impl Step for Isotonic {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| number_field(name)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let feature = if is_number(rows.arrays[0].data_type()) {
            Feature::Numbers(rows.doubles(0)?)
        } else {
            Feature::Slot(rows.vectors(0)?, self.slot)
        };
        rows.by_pieces(|range, piece| {
            let mut good = vec![true; range.len()];
            let mut values = Vec::with_capacity(range.len());
            for (place, row) in range.enumerate() {
                values.push(match feature.value(row) {
                    Ok(x) => self.predict(x),
                    Err(cause) => {
                        good[place] = false;
                        piece.reject(row, (0, cause))?;
                        f64::NAN
                    }
                });
            }
            Ok(vec![Arc::new(Float64Array::new(values.into(), nulls_of(good))) as ArrayRef])
        })
    }
}
