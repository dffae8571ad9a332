//! Losses and gradients of many rows, on all threads of a worker.

use mmlrs_core::{Result, ThreadBudget};
use rayon::prelude::*;

use super::augment::{Augment, augment};
use super::rows::{Gathered, Part};
use crate::layer::Mode;
use crate::loss::Targets;
use crate::network::{Network, Rows, Workspace};
use crate::random::Random;
use crate::vectors::add;

/// Fewer rows than this are not worth another thread.
const ROWS_A_THREAD: usize = 32;

/// The buffers of a worker, allocated once.
#[derive(Debug)]
pub struct Sums {
    threads: ThreadBudget,
    block: usize,
    spaces: Vec<Space>,
    augmentation: Vec<Augment>,
}

/// The buffers of a thread.
#[derive(Debug)]
struct Space {
    workspace: Workspace,
    batch: Gathered,
    /// The thread's part of the gradient. The first thread writes to the result.
    gradient: Vec<f32>,
    /// An image before it is changed.
    image: Vec<f32>,
}

/// What is measured of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Sum of the losses times the weights.
    pub loss: f64,
    /// Sum of the weights.
    pub weight: f64,
    /// For classes the weight of the rows that are right, for values the mean squared error of the predictions of a
    /// row, times its weight.
    pub score: f64,
}

impl Sums {
    /// Buffers for blocks of so many rows, whose images are changed while the network is trained.
    pub fn new(network: &Network, block: usize, threads: ThreadBudget, augmentation: &[Augment]) -> Self {
        let space = || Space {
            workspace: network.workspace(block),
            batch: Gathered::default(),
            gradient: Vec::new(),
            image: Vec::new(),
        };
        Self {
            threads,
            block,
            spaces: (0..threads.get()).map(|_| space()).collect(),
            augmentation: augmentation.to_vec(),
        }
    }

    /// Writes the derivative of the weighted sum of the losses, times `scale`, to `gradient`, and returns that sum. Which thread
    /// computes which rows depends on their number only, so the result repeats exactly.
    ///
    /// # Errors
    /// The rows do not fit the network, or the work was interrupted.
    pub fn gradient(
        &mut self,
        network: &Network,
        parameters: &[f32],
        rows: (&Part, &[u32]),
        how: (Mode, f32),
        gradient: &mut [f32],
    ) -> Result<f64> {
        let (part, order) = rows;
        let (mode, scale) = how;
        let (budget, block, changes) = (self.threads, self.block, &self.augmentation[..]);
        let threads = (order.len() / ROWS_A_THREAD).clamp(1, self.spaces.len());
        let share = order.len().div_ceil(threads).max(1);
        let work = |at: usize, space: &mut Space, gradient: &mut [f32]| -> Result<f64> {
            let share = order.chunks(share).nth(at).unwrap_or_default();
            let mut loss = 0.0;
            for (number, rows) in share.chunks(block).enumerate() {
                budget.check()?;
                part.gather(rows, &mut space.batch);
                let mode = match mode {
                    Mode::Training { seed } => {
                        Mode::Training { seed: Random::new(seed ^ ((at << 32) + number) as u64).bits() }
                    }
                    Mode::Scoring => Mode::Scoring,
                };
                if let (Mode::Training { seed }, false) = (mode, changes.is_empty()) {
                    let mut random = Random::new(!seed);
                    augment(&mut space.batch.x, network.input(), changes, &mut random, &mut space.image);
                }
                let Gathered { x, weights, .. } = &space.batch;
                let batch = Rows { x, targets: space.batch.targets(), weights: Some(weights), mode, scale };
                loss += network.derive(parameters, &batch, gradient, &mut space.workspace, number == 0)?;
            }
            if share.is_empty() {
                gradient.fill(0.0);
            }
            Ok(loss)
        };
        let (first, others) = self.spaces.split_at_mut(1);
        let others = &mut others[..threads - 1];
        let pool = budget.pool()?;
        let (Some(pool), false) = (pool, others.is_empty()) else {
            return work(0, &mut first[0], gradient);
        };
        for space in others.iter_mut() {
            space.gradient.resize(gradient.len(), 0.0);
        }
        let (own, rest) = pool.install(|| {
            rayon::join(
                || work(0, &mut first[0], gradient),
                || {
                    let other = |(at, space): (usize, &mut Space)| {
                        let mut own = std::mem::take(&mut space.gradient);
                        let loss = work(at + 1, space, &mut own);
                        space.gradient = own;
                        loss
                    };
                    others.par_iter_mut().with_max_len(1).enumerate().map(other).collect::<Result<Vec<f64>>>()
                },
            )
        });
        let loss = own? + rest?.iter().sum::<f64>();
        pool.install(|| {
            gradient.par_chunks_mut(PIECE).enumerate().for_each(|(at, piece)| {
                for space in others.iter() {
                    add(piece, &space.gradient[at * PIECE..at * PIECE + piece.len()]);
                }
            });
        });
        Ok(loss)
    }

    /// Measures rows without training on them.
    ///
    /// # Errors
    /// As for [`Self::gradient`].
    pub fn measure(&mut self, network: &Network, parameters: &[f32], part: &Part) -> Result<Measured> {
        let (budget, block) = (self.threads, self.block);
        let order = part.order();
        let share = order.len().div_ceil(self.spaces.len()).max(1);
        let work = |(at, space): (usize, &mut Space)| -> Result<Measured> {
            let mut sums = Measured::default();
            for rows in order.chunks(share).nth(at).unwrap_or_default().chunks(block) {
                budget.check()?;
                part.gather(rows, &mut space.batch);
                let Gathered { x, weights, .. } = &space.batch;
                let targets = space.batch.targets();
                let (outputs, loss) = network.measure(
                    parameters,
                    &Rows { x, targets, weights: Some(weights), mode: Mode::Scoring, scale: 1.0 },
                    &mut space.workspace,
                )?;
                sums.loss += loss;
                sums.weight += weights.iter().map(|weight| f64::from(*weight)).sum::<f64>();
                sums.score += score(network, outputs, targets, weights);
            }
            Ok(sums)
        };
        let all = match budget.pool()? {
            Some(pool) => pool.install(|| {
                self.spaces.par_iter_mut().with_max_len(1).enumerate().map(work).collect::<Result<Vec<_>>>()
            }),
            None => self.spaces.iter_mut().enumerate().map(work).collect(),
        }?;
        Ok(all.iter().fold(Measured::default(), |sum, one| Measured {
            loss: sum.loss + one.loss,
            weight: sum.weight + one.weight,
            score: sum.score + one.score,
        }))
    }
}

/// Number of values of a piece of a long vector.
const PIECE: usize = 1 << 16;

/// The sum of the scores of rows, see [`Measured::score`].
fn score(network: &Network, outputs: &[f32], targets: Targets<'_>, weights: &[f32]) -> f64 {
    let size = network.output().len();
    let (mut predicted, mut scratch) = (vec![0.0; size], vec![0.0; size]);
    let rows = outputs.chunks_exact(size).zip(weights).enumerate();
    let of_row = |(row, (values, weight)): (usize, (&[f32], &f32))| {
        let score = match targets {
            Targets::Classes(classes) => f64::from(u8::from(largest(values) == classes[row] as usize)),
            Targets::Values(targets) => {
                predicted.copy_from_slice(values);
                network.loss().predict(&mut predicted, size, &mut scratch);
                let targets = &targets[row * size..(row + 1) * size];
                let squares = predicted.iter().zip(targets).map(|(value, target)| f64::from(value - target).powi(2));
                squares.sum::<f64>() / size as f64
            }
        };
        f64::from(*weight) * score
    };
    rows.map(of_row).sum()
}

/// The place of the largest value, the first one of equal ones.
pub fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;

    #[test]
    fn the_score_of_values_is_that_of_predictions() -> Result<()> {
        for (loss, expected) in [("squared_error", 2.5), ("sigmoid_cross_entropy", 0.25)] {
            let layers = r#""layers":[{"kind":"dense","size":2}]"#;
            let text = format!(r#"{{"version":1,"input":[1],{layers},"loss":{{"kind":"{loss}"}}}}"#);
            let network = Description::parse(&text)?.network()?;
            // Errors of 1 and -2, or probabilities of 0.5 with targets of 1 and 0; two rows of weight 0.5 each.
            let outputs = if loss == "squared_error" { [2.0, -2.0, 2.0, -2.0] } else { [0.0; 4] };
            let found = score(&network, &outputs, Targets::Values(&[1.0, 0.0, 1.0, 0.0]), &[0.5, 0.5]);
            assert!((found - expected).abs() < 1e-9, "{loss}: {found}");
        }
        Ok(())
    }
}
