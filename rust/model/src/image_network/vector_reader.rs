//! Reads one output of a network as a vector per image.

use mmlrs_core::Result;

use super::batches::{Ran, Reader};
use super::input::Pooling;
use crate::failure::failed;
use mmlrs_core::FloatRows;

/// The output to read, and the vectors read so far.
pub struct VectorReader<'a> {
    /// The output.
    pub output: &'a str,
    /// The conversion of an output row to a vector.
    pub pooling: Pooling,
    /// Length of the vectors.
    pub size: usize,
    /// The vectors.
    pub vectors: FloatRows,
}

impl Reader for VectorReader<'_> {
    fn read(&mut self, run: &Ran<'_, '_>) -> Result<()> {
        let (values, inner) = run.floats(self.output)?;
        if self.pooling.size(&inner) != self.size {
            return Err(failed(format!(
                "output `{}` has row shape {inner:?}, expected a vector of size {}",
                self.output, self.size
            )));
        }
        let row_len: usize = inner.iter().product();
        for (row, data) in run.rows.iter().zip(values.chunks_exact(row_len.max(1))) {
            self.pooling.apply(data, &inner, self.vectors.fill(*row));
        }
        Ok(())
    }
}
