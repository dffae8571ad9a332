//! Training with little communication: the workers take steps alone, then average.

use std::ops::Range;

use mmlrs_core::Result;

use super::mini_batch::{Epoch, share, shuffled};
use crate::vectors::add_scaled;

/// The step along the mean change of the workers: Nesterov's momentum, as in `DiLoCo` (Douillard et al. 2023).
#[derive(Debug, Clone)]
pub struct Outer {
    pub rate: f32,
    pub momentum: f32,
    pub velocity: Vec<f32>,
    /// The parameters before the round.
    pub start: Vec<f32>,
}

impl Epoch<'_> {
    /// Does all steps of the epoch in rounds of at most `length` steps, after each of which the workers' changes are averaged,
    /// weighted by the weights of their rows. Returns the sum of the losses of this worker's rows.
    pub fn run_alone(
        &mut self,
        parameters: &mut [f32],
        (own, all): (f64, f64),
        length: usize,
        outer: &mut Outer,
    ) -> Result<f64> {
        let rank = self.workers.rank();
        let order = shuffled(self.rows, self.seed, self.number, rank);
        let scale = (self.steps as f64 / own.max(f64::MIN_POSITIVE)) as f32;
        let rounds = self.steps.div_ceil(length.max(1)).max(1);
        let mut loss = 0.0;
        for round in 0..rounds {
            outer.start.clear();
            outer.start.extend_from_slice(parameters);
            let steps = share(self.steps, round, rounds);
            loss += self.run_steps((&order, scale), steps, parameters, |_, _, _| Ok(()))?;
            // The mean of the parameters, in the buffer of the gradient.
            self.gradient.fill(0.0);
            add_scaled(self.gradient, (own / all) as f32, parameters);
            self.workers.sum(self.gradient)?;
            outer.step(parameters, self.gradient, &self.network.trained());
        }
        Ok(loss)
    }
}

impl Outer {
    /// Moves the trained parameters from the start of the round along the velocity. The others become the means.
    fn step(&mut self, parameters: &mut [f32], mean: &[f32], trained: &[Range<usize>]) {
        let (rate, momentum) = (self.rate, self.momentum);
        parameters.copy_from_slice(mean);
        for range in trained {
            let before = self.velocity[range.clone()].iter_mut().zip(&self.start[range.clone()]);
            for (parameter, (velocity, start)) in parameters[range.clone()].iter_mut().zip(before) {
                let change = start - *parameter;
                *velocity = momentum * *velocity + change;
                *parameter = start - rate * (change + momentum * *velocity);
            }
        }
    }
}
