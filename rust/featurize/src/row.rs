//! A row of slots as it is put together.

use mmlrs_core::vector::VectorRow;
use mmlrs_core::{Error, Result};

/// Most slots of a missing vector that are written as NaN.
const MAX_MISSING: usize = 1 << 20;

/// The values other than zero of one row, as it grows.
#[derive(Debug, Default)]
pub struct SparseRow {
    /// Slots so far.
    pub size: usize,
    /// Slots that have a value.
    pub indices: Vec<i32>,
    /// Their values.
    pub values: Vec<f64>,
    lost: bool,
}

impl SparseRow {
    /// Forgets the row.
    pub fn clear(&mut self) {
        self.size = 0;
        self.indices.clear();
        self.values.clear();
        self.lost = false;
    }

    /// Are there missing slots that are not written?
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
                // A row of too many slots is an error in the end: `check`.
                let start = self.size as i32;
                for (index, value) in indices.iter().zip(values).filter(|(_, value)| **value != 0.0) {
                    self.indices.push(start.wrapping_add(*index));
                    self.values.push(*value);
                }
                self.size += size;
            }
        }
    }

    /// Appends so many slots without a value, as NaN. False where they are too many to be written: a sparse vector may have
    /// two billion slots, and hold next to nothing.
    pub fn push_missing(&mut self, slots: usize) -> bool {
        if slots > MAX_MISSING {
            self.size += slots;
            self.lost = true;
            return false;
        }
        (0..slots).for_each(|_| self.push(f64::NAN));
        true
    }

    /// Fails on more slots than a vector can have.
    pub fn check(&self) -> Result<()> {
        if i32::try_from(self.size).is_err() {
            let message =
                format!("the assembled vector has {} slots; the maximum of Spark's vectors is {}", self.size, i32::MAX);
            return Err(Error::limit(message));
        }
        Ok(())
    }
}
