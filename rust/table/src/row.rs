//! A row of slots as it is put together.

use mmlrs_core::vector::VectorRow;

/// The values other than zero of one row, as it grows.
#[derive(Debug, Default)]
pub struct SparseRow {
    /// Slots so far.
    pub size: usize,
    /// Slots that have a value.
    pub indices: Vec<i32>,
    /// Their values.
    pub values: Vec<f64>,
}

impl SparseRow {
    /// Forgets the row.
    pub fn clear(&mut self) {
        self.size = 0;
        self.indices.clear();
        self.values.clear();
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
                let start = self.size as i32;
                for (index, value) in indices.iter().zip(values).filter(|(_, value)| **value != 0.0) {
                    self.indices.push(start + index);
                    self.values.push(*value);
                }
                self.size += size;
            }
        }
    }
}
