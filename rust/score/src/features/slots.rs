//! Slots of vectors that hold categories, as indices.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_schema::Field;
use mmlrs_core::vector::{VectorBuilder, VectorRow};
use mmlrs_core::{Result, double_text};
use serde::Deserialize;

use crate::arrays::vectors_field;
use crate::numbers::{Floats, Ints};
use crate::step::{Computed, Inputs, Step, check_size, usable};

/// Replaces the categories in some slots by their indices, as `VectorIndexerModel` does. A slot that a sparse vector does not
/// store stays zero.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSlots {
    size: usize,
    /// The slots with categories, ascending.
    slots: Ints,
    /// The categories of each of these slots, in the order of their indices.
    categories: Vec<Floats>,
    /// Whether an unknown category has the index after the last one.
    keep: bool,
    /// The categories of each slot, ascending, with their indices.
    #[serde(skip)]
    sorted: Vec<Vec<(f64, f64)>>,
}

/// The order of numbers, in which -0.0 equals 0.0, and NaN no number.
fn order(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or(Ordering::Less)
}

impl IndexSlots {
    pub fn ready(mut self) -> Result<Self, String> {
        let inside = self.slots.iter().all(|slot| usize::try_from(*slot).is_ok_and(|slot| slot < self.size));
        if !inside || !self.slots.is_sorted_by(|a, b| a < b) || self.slots.len() != self.categories.len() {
            return Err("its slots do not fit its vectors and categories".to_owned());
        }
        self.sorted = self
            .categories
            .iter()
            .map(|categories| {
                let mut pairs: Vec<(f64, f64)> =
                    categories.iter().enumerate().map(|(index, value)| (*value, index as f64)).collect();
                pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
                pairs
            })
            .collect();
        Ok(self)
    }

    /// The index of a category of the slot with this place in `slots`.
    fn index(&self, place: usize, value: f64) -> Result<f64, String> {
        let pairs = &self.sorted[place];
        match pairs.binary_search_by(|(category, _)| order(*category, value)) {
            Ok(found) => Ok(pairs[found].1),
            Err(_) if self.keep => Ok(pairs.len() as f64),
            Err(_) => Err(format!("has the unknown category {} in slot {}", double_text(value), self.slots[place])),
        }
    }
}

impl Step for IndexSlots {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.size))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let vectors = rows.vectors(0)?;
        rows.by_pieces(|range, piece| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let mut values = Vec::new();
            for row in range {
                let vector = usable(&vectors, row).and_then(|vector| check_size(vector, self.size).map(|()| vector));
                // As in Spark, the policy is about categories only.
                let vector = vector.map_err(|cause| piece.error(row, (0, cause)))?;
                if let Err(cause) = self.push(vector, &mut values, &mut out) {
                    piece.reject(row, (0, cause))?;
                    out.push_null();
                }
            }
            Ok(vec![Arc::new(out.finish()?)])
        })
    }
}

impl IndexSlots {
    /// Appends a vector with indices in the place of its categories. After an error nothing is appended.
    fn push(&self, vector: VectorRow<'_>, indexed: &mut Vec<f64>, out: &mut VectorBuilder) -> Result<(), String> {
        indexed.clear();
        match vector {
            VectorRow::Dense(values) => {
                indexed.extend_from_slice(values);
                for (place, slot) in self.slots.iter().enumerate() {
                    let slot = *slot as usize;
                    indexed[slot] = self.index(place, values[slot])?;
                }
                out.push_dense(indexed);
            }
            VectorRow::Sparse { size, indices, values } => {
                for (slot, value) in indices.iter().zip(values) {
                    indexed.push(match self.slots.binary_search(slot) {
                        Ok(place) => self.index(place, *value)?,
                        Err(_) => *value,
                    });
                }
                out.push_sparse(size, indices, indexed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(slots: &[i32], keep: bool) -> Result<IndexSlots, String> {
        let definition = json!({"size": 3, "slots": slots, "categories": [[0.0, 5.0, -1.0]], "keep": keep});
        serde_json::from_value::<IndexSlots>(definition).map_err(|e| e.to_string())?.ready()
    }

    #[test]
    fn categories_have_their_indices() -> Result<(), String> {
        let step = made(&[1], false)?;
        assert_eq!([step.index(0, 5.0)?, step.index(0, -0.0)?, step.index(0, -1.0)?], [1.0, 0.0, 2.0]);
        assert!(step.index(0, 7.0).is_err() && step.index(0, f64::NAN).is_err());
        assert_eq!([made(&[1], true)?.index(0, 7.0)?, made(&[1], true)?.index(0, f64::NAN)?], [3.0, 3.0]);
        Ok(())
    }

    #[test]
    fn damaged_slots_are_refused() {
        assert!([&[3][..], &[-1], &[], &[0, 1]].iter().all(|slots| made(slots, false).is_err()));
    }
}
