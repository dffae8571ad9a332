//! The slots of one row during assembly.

use mmlrs_core::vector::VectorRow;
use mmlrs_core::{Error, Result};

/// Maximum slots of a missing vector that are written as NaN.
const MAX_MISSING: usize = 1 << 20;

/// The nonzero values of one row, as it grows.
#[derive(Debug, Default)]
pub struct SparseRow {
    /// Number of slots so far.
    pub size: usize,
    /// Slots with a value.
    pub indices: Vec<i32>,
    /// Their values.
    pub values: Vec<f64>,
    lost: bool,
}

impl SparseRow {
    /// Removes all slots.
    pub fn clear(&mut self) {
        self.size = 0;
        self.indices.clear();
        self.values.clear();
        self.lost = false;
    }

    /// Whether there are missing slots that are not written.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Appends one slot.
    #[inline]
    pub fn push(&mut self, value: f64) {
        if value != 0.0 {
            self.indices.push(self.size as i32);
            self.values.push(value);
        }
        self.size += 1;
    }

    /// Appends the slots of a vector.
    #[inline]
    pub fn push_vector(&mut self, vector: VectorRow<'_>) {
        match vector {
            VectorRow::Dense(values) => values.iter().for_each(|value| self.push(*value)),
            VectorRow::Sparse { size, indices, values } => {
                // Too many slots are reported at the end, in `check`.
                let start = self.size as i32;
                for (index, value) in indices.iter().zip(values).filter(|(_, value)| **value != 0.0) {
                    self.indices.push(start.wrapping_add(*index));
                    self.values.push(*value);
                }
                self.size += size;
            }
        }
    }

    /// Appends missing slots as NaN. Returns false if there are too many to write: a sparse vector may have two billion slots
    /// and hardly any values.
    pub fn push_missing(&mut self, slots: usize) -> bool {
        if slots > MAX_MISSING {
            self.size += slots;
            self.lost = true;
            return false;
        }
        (0..slots).for_each(|_| self.push(f64::NAN));
        true
    }

    /// Returns an error if there are more slots than a vector can have.
    pub fn check(&self) -> Result<()> {
        if i32::try_from(self.size).is_err() {
            let message =
                format!("the assembled vector has {} slots; the maximum of Spark's vectors is {}", self.size, i32::MAX);
            return Err(Error::limit(message));
        }
        Ok(())
    }
}
