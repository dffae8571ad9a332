//! Optimizers: they change a vector of parameters so that a loss becomes small.

mod adam;
mod lbfgs;
mod line_search;
mod schedule;
mod sgd;

pub use adam::Adam;
pub use lbfgs::{Lbfgs, Step};
pub use schedule::{Rates, Schedule};
pub use sgd::Sgd;

use mmlrs_core::Result;

/// A loss with its derivative.
pub trait Objective {
    /// Computes the loss at `parameters` and writes its derivative to `gradient`.
    fn evaluate(&mut self, parameters: &[f32], gradient: &mut [f32]) -> Result<f64>;
}

impl<F: FnMut(&[f32], &mut [f32]) -> Result<f64>> Objective for F {
    fn evaluate(&mut self, parameters: &[f32], gradient: &mut [f32]) -> Result<f64> {
        self(parameters, gradient)
    }
}

/// A list of one range.
fn single(range: std::ops::Range<usize>) -> Vec<std::ops::Range<usize>> {
    std::iter::once(range).collect()
}
