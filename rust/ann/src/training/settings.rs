//! How a network is trained.

use mmlrs_core::{Error, Result};
use serde::Deserialize;

use super::augment::Augment;
use crate::optimizers::{Rates, Schedule};

/// The algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Solver {
    /// L-BFGS over all rows.
    #[serde(rename = "l-bfgs")]
    Lbfgs,
    /// Gradient descent over all rows.
    #[serde(rename = "gd")]
    Descent,
    /// Gradient descent over batches, with momentum.
    #[serde(rename = "sgd")]
    Sgd,
    /// Steps of each worker alone, combined so that they are close to steps one after the other.
    #[serde(rename = "symsgd")]
    SymSgd,
    /// Adam over batches.
    #[serde(rename = "adam")]
    Adam,
    /// Adam with weight decay apart from the gradient.
    #[serde(rename = "adamw")]
    AdamW,
}

impl Solver {
    /// Whether every step reads all rows.
    pub fn is_full_batch(self) -> bool {
        matches!(self, Self::Lbfgs | Self::Descent)
    }
}

/// How the rate of learning changes.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RateSchedule {
    /// It stays.
    Constant,
    /// It is multiplied by `factor` after every `epochs` epochs.
    Step {
        /// Number of epochs.
        epochs: usize,
        /// The factor.
        factor: f64,
    },
    /// It falls to 0 along half a cosine.
    Cosine,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The algorithm.
    pub solver: Solver,
    /// Maximum number of iterations over all rows, or of epochs.
    pub iterations: usize,
    /// A full-batch solver stops when an iteration improves the loss by a smaller share.
    pub tolerance: f64,
    /// The rate of learning.
    pub step_size: f64,
    /// Share of the velocity that a step of stochastic gradient descent keeps.
    pub momentum: f32,
    /// Whether such a step looks ahead along the velocity.
    pub nesterov: bool,
    /// Share of the weights, times the rate, that a step of `AdamW` removes.
    pub weight_decay: f32,
    /// Half of this, times the sum of the squared weights, is added to the mean loss.
    pub l2: f64,
    /// Number of rows of a batch: of all workers together, or of each worker if it takes steps alone.
    pub batch_size: usize,
    /// Number of rows that a worker computes at once.
    pub block_size: usize,
    /// How the rate changes.
    pub schedule: RateSchedule,
    /// Number of epochs in which the rate rises linearly.
    pub warm_up: f64,
    /// Seed of the order of rows and of dropout.
    pub seed: u64,
    /// Training stops after so many iterations or epochs without a smaller loss on the held-out rows. 0 never stops.
    pub patience: usize,
    /// Share of the rows that is held out, in addition to rows that are marked.
    pub validation_fraction: f64,
    /// Number of steps that each worker takes alone before the parameters are averaged. 0 sums the gradient of every batch.
    pub local_steps: usize,
    /// Changes of images while the network is trained.
    #[serde(default)]
    pub augmentation: Vec<Augment>,
    /// Whether workers send the signs of gradients only.
    #[serde(default)]
    pub one_bit: bool,
    /// Rate of the step along the mean change of the workers.
    pub outer_rate: Option<f32>,
    /// Momentum of that step.
    pub outer_momentum: Option<f32>,
}

impl Settings {
    /// Parses settings.
    ///
    /// # Errors
    /// They are not of this form.
    pub fn parse(text: &str) -> Result<Self> {
        let settings: Self =
            serde_json::from_str(text).map_err(|e| Error::runtime(format!("the settings of the training: {e}")))?;
        if settings.batch_size == 0 || settings.block_size == 0 {
            return Err(Error::runtime("the settings of the training: a batch has at least one row"));
        }
        Ok(settings)
    }

    /// The rates of learning, for so many steps in an epoch.
    pub fn rates(&self, steps: usize) -> Rates {
        let schedule = match self.schedule {
            RateSchedule::Constant => Schedule::Constant,
            RateSchedule::Step { epochs, factor } => Schedule::Step { steps: epochs.saturating_mul(steps), factor },
            RateSchedule::Cosine => Schedule::Cosine,
        };
        Rates {
            rate: self.step_size,
            schedule,
            warm_up: (self.warm_up * steps as f64).round() as usize,
            steps: self.iterations.saturating_mul(steps),
        }
    }
}
