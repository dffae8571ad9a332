//! Sums over the workers that train a network together.

use mmlrs_core::Result;

/// The workers of one training. Every worker calls the same methods in the same order.
pub trait Reduce: Send {
    /// The number of this worker, from 0.
    fn rank(&self) -> usize;

    /// Number of workers.
    fn size(&self) -> usize;

    /// Replaces the values by their sums over all workers, which are equal on all of them bit for bit.
    ///
    /// # Errors
    /// A worker cannot be reached or does something else.
    fn sum(&mut self, values: &mut [f32]) -> Result<()>;

    /// Like [`Self::sum`], for a few numbers in double precision.
    ///
    /// # Errors
    /// As for [`Self::sum`].
    fn sum_f64(&mut self, values: &mut [f64]) -> Result<()>;

    /// Number of bytes sent so far.
    fn bytes_sent(&self) -> u64;
}

/// The only worker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Reduce for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&mut self, _values: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn sum_f64(&mut self, _values: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn bytes_sent(&self) -> u64 {
        0
    }
}
