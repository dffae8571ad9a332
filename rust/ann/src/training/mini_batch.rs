//! Steps that read a batch of rows.

use std::ops::Range;

use mmlrs_core::Result;

use super::full_batch::penalty;
use super::rows::Part;
use super::sums::Sums;
use crate::layer::Mode;
use crate::network::Network;
use crate::optimizers::{Adam, Rates, Sgd};
use crate::peers::OneBit;
use crate::random::Random;
use crate::reduce::Reduce;

/// An optimizer that works with batches.
#[derive(Debug, Clone)]
pub enum Optimizer {
    Sgd(Sgd),
    Adam(Adam),
}

impl Optimizer {
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], rate: f32) {
        match self {
            Self::Sgd(sgd) => sgd.step(parameters, gradient, rate),
            Self::Adam(adam) => adam.step(parameters, gradient, rate),
        }
    }
}

/// What the steps of an epoch need.
pub struct Epoch<'a> {
    pub network: &'a Network,
    pub rows: &'a Part,
    pub sums: &'a mut Sums,
    pub workers: &'a mut dyn Reduce,
    pub optimizer: &'a mut Optimizer,
    pub gradient: &'a mut [f32],
    pub rates: Rates,
    /// The rounding errors of gradients that are sent as signs.
    pub one_bit: Option<&'a mut OneBit>,
    pub l2: f64,
    /// Share of the weights, times the rate, that a step removes (`AdamW`, Loshchilov and Hutter 2019).
    pub weight_decay: f32,
    /// Number of the epoch, from 0, and of its steps.
    pub number: usize,
    pub steps: usize,
    pub seed: u64,
}

/// The order of a worker's rows in an epoch.
pub fn shuffled(rows: &Part, seed: u64, epoch: usize, rank: usize) -> Vec<u32> {
    let mut order = rows.order().to_vec();
    Random::new(mixed(seed, epoch, rank)).shuffle(&mut order);
    order
}

/// A seed that follows from a seed, the number of an epoch, and another number.
pub fn mixed(seed: u64, epoch: usize, other: usize) -> u64 {
    let epoch = Random::new(seed ^ (epoch as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93)).bits();
    Random::new(epoch ^ (other as u64).wrapping_mul(0xA076_1D64_78BD_642F)).bits()
}

impl Epoch<'_> {
    /// Does all steps of the epoch, each with the gradient of one batch of all workers, and returns the sum of the losses of
    /// this worker's rows. A worker's share of a batch is its share of all rows, so every row is read once.
    pub fn run(&mut self, parameters: &mut [f32], weight: f64) -> Result<f64> {
        let rank = self.workers.rank();
        let order = shuffled(self.rows, self.seed, self.number, rank);
        // The mean loss is estimated from a batch, which has 1 / steps of the weight.
        let scale = (self.steps as f64 / weight) as f32;
        let mut loss = 0.0;
        for step in 0..self.steps {
            let batch = &order[share(order.len(), step, self.steps)];
            loss += self.derive(batch, step, scale, parameters)?;
            self.sum()?;
            self.apply(step, parameters);
        }
        Ok(loss)
    }

    /// Does some steps of this worker alone, on rows in this order. `before` reads the batch, the rate of a step, and the
    /// parameters before it. Returns the sum of the losses of the rows.
    pub fn run_steps(
        &mut self,
        (order, scale): (&[u32], f32),
        steps: Range<usize>,
        parameters: &mut [f32],
        mut before: impl FnMut(&[u32], f32, &[f32]) -> Result<()>,
    ) -> Result<f64> {
        let mut loss = 0.0;
        for step in steps {
            let batch = &order[share(order.len(), step, self.steps)];
            if batch.is_empty() {
                continue;
            }
            loss += self.derive(batch, step, scale, parameters)?;
            before(batch, self.rates.at(self.number * self.steps + step) as f32, parameters)?;
            self.apply(step, parameters);
        }
        Ok(loss)
    }

    /// Sums the gradient over the workers. Statistics are sent as they are, since they are not summed up from step to step.
    fn sum(&mut self) -> Result<()> {
        let Some(one_bit) = &mut self.one_bit else { return self.workers.sum(self.gradient) };
        let fixed = self.network.statistics();
        let mut exact: Vec<f32> = fixed.iter().flat_map(|range| &self.gradient[range.clone()]).copied().collect();
        for range in &fixed {
            self.gradient[range.clone()].fill(0.0);
        }
        one_bit.sum_signs(self.workers, self.gradient)?;
        if exact.is_empty() {
            return Ok(());
        }
        self.workers.sum(&mut exact)?;
        let mut sums = exact.into_iter();
        for place in fixed.into_iter().flatten() {
            self.gradient[place] = sums.next().unwrap_or_default();
        }
        Ok(())
    }

    /// Computes the gradient of a batch.
    fn derive(&mut self, batch: &[u32], step: usize, scale: f32, parameters: &[f32]) -> Result<f64> {
        let seed = mixed(self.seed, self.number * self.steps + step, self.workers.rank() + 1);
        let how = (Mode::Training { seed }, scale);
        self.sums.gradient(self.network, parameters, (self.rows, batch), how, self.gradient)
    }

    /// Changes the parameters along the gradient.
    fn apply(&mut self, step: usize, parameters: &mut [f32]) {
        penalty(self.network, parameters, self.l2, self.gradient);
        let rate = self.rates.at(self.number * self.steps + step);
        let kept = 1.0 - rate as f32 * self.weight_decay;
        if self.weight_decay > 0.0 {
            for range in self.network.weights() {
                parameters[range].iter_mut().for_each(|weight| *weight *= kept);
            }
        }
        self.optimizer.step(parameters, self.gradient, rate as f32);
        self.network.settle(parameters, self.gradient);
    }
}

/// The rows of a step.
pub fn share(rows: usize, step: usize, steps: usize) -> Range<usize> {
    let at = |step: usize| (rows as u128 * step as u128 / steps as u128) as usize;
    at(step)..at(step + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_step() {
        for (rows, steps) in [(10, 3), (2, 5), (0, 4), (7, 7), (1000, 8)] {
            let shares: Vec<usize> = (0..steps).flat_map(|step| share(rows, step, steps)).collect();
            assert_eq!(shares, (0..rows).collect::<Vec<_>>());
        }
    }
}
