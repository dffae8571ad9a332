//! The float vectors that a stage computes for a batch, and their column.

use std::sync::Arc;

use crate::{Column, Error, Result, VectorType, types};
use arrow_array::{FixedSizeListArray, Float32Array};
use arrow_buffer::NullBuffer;

/// The vectors of a batch, `size` floats per row. Rows without a vector hold zeros.
#[derive(Debug, Clone)]
pub struct FloatRows {
    values: Vec<f32>,
    valid: Vec<bool>,
    size: usize,
}

impl FloatRows {
    /// No vectors yet, for a batch of `rows` rows.
    ///
    /// # Errors
    /// There is not enough memory. The size may be one that a model merely declares.
    pub fn new(rows: usize, size: usize) -> Result<Self> {
        let count = rows.checked_mul(size).filter(|count| Vec::<f32>::new().try_reserve_exact(*count).is_ok());
        let count = count.ok_or_else(|| Error::limit(format!("no memory for {rows} vectors of {size} floats")))?;
        Ok(Self { values: vec![0.0; count], valid: vec![false; rows], size })
    }

    /// Returns the place to write the row's vector to, and marks the row as valid.
    pub fn fill(&mut self, row: usize) -> &mut [f32] {
        self.valid[row] = true;
        &mut self.values[row * self.size..(row + 1) * self.size]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.valid.len()
    }

    /// The row's vector, if it has one.
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        self.valid[row].then(|| &self.values[row * self.size..(row + 1) * self.size])
    }

    /// The row's vector to change, if it has one.
    pub fn row_mut(&mut self, row: usize) -> Option<&mut [f32]> {
        self.valid[row].then(|| &mut self.values[row * self.size..(row + 1) * self.size])
    }

    /// Removes the row's vector.
    pub fn clear(&mut self, row: usize) {
        self.valid[row] = false;
    }

    /// The column that [`VectorType::field`] declares. Rows without a vector are null.
    ///
    /// # Errors
    /// The rows have too many values for an array.
    pub fn into_column(self, form: VectorType) -> Result<Column> {
        let (rows, size) = (self.valid.len(), self.size);
        let nulls = NullBuffer::from(self.valid);
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let values = Arc::new(Float32Array::from(self.values));
        let array = FixedSizeListArray::try_new_with_length(types::float_item(), size as i32, values, nulls, rows)?;
        Ok(match form {
            VectorType::Vector => Column::Arrow(Arc::new(array), types::vector_metadata(size)),
            VectorType::Array => Column::arrow(Arc::new(array)),
        })
    }
}
