//! Steps that read all rows.

use mmlrs_core::Result;

use super::rows::Part;
use super::sums::Sums;
use crate::layer::Mode;
use crate::network::Network;
use crate::reduce::Reduce;
use crate::vectors::dot;

/// The mean loss of the rows of all workers, with its derivative. It does not depend on which worker has which rows, beyond
/// rounding.
pub struct Whole<'a> {
    pub network: &'a Network,
    pub rows: &'a Part,
    pub sums: &'a mut Sums,
    pub workers: &'a mut dyn Reduce,
    /// Sum of the weights of the rows of all workers.
    pub weight: f64,
    pub l2: f64,
    /// Number of evaluations.
    pub evaluations: usize,
}

impl Whole<'_> {
    /// Computes the loss at `parameters` and writes its derivative to `gradient`.
    pub fn evaluate(&mut self, parameters: &[f32], gradient: &mut [f32]) -> Result<f64> {
        self.evaluations += 1;
        let rows = (self.rows, self.rows.order());
        // Derivatives are of the mean, so that sums of many rows stay in the range of f32.
        let how = (Mode::Scoring, (1.0 / self.weight) as f32);
        let mut loss = [self.sums.gradient(self.network, parameters, rows, how, gradient)?];
        self.workers.sum(gradient)?;
        self.workers.sum_f64(&mut loss)?;
        Ok(loss[0] / self.weight + penalty(self.network, parameters, self.l2, gradient))
    }
}

/// Adds the derivative of half of `l2` times the sum of the squared weights, and returns that term.
pub fn penalty(network: &Network, parameters: &[f32], l2: f64, gradient: &mut [f32]) -> f64 {
    if l2 == 0.0 {
        return 0.0;
    }
    let mut sum = 0.0;
    for range in network.weights() {
        let weights = &parameters[range.clone()];
        sum += dot(weights, weights);
        crate::vectors::add_scaled(&mut gradient[range], l2 as f32, weights);
    }
    0.5 * l2 * sum
}
