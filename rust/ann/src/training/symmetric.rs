//! Training with little communication whose result is close to sequential steps: `SymSGD` (Maleki, Musuvathi and Mytkowicz 2017).
//!
//! Workers take steps alone from the same parameters. Steps that start at other parameters w + d end, to first order, at M d away
//! from where they ended, where M is the product of the factors I - rate * H of the steps, and H is the second derivative of a
//! batch's loss. So the second worker's steps can be moved to where the first one's ended, and so on. M is too large to keep; a
//! worker keeps (M - I) A for a few random directions A, with which the mean of A A' is I.
//!
//! For one affine layer and the losses of this crate H is cheap and never negative, so M does not grow. Deeper networks have
//! neither: their H changes with every step and has negative eigenvalues, along which the first order says little.

use mmlrs_core::{Error, Result};

use super::mini_batch::{Epoch, mixed, shuffled};
use super::rows::Gathered;
use crate::loss::Batch;
use crate::network::Network;
use crate::product::{Matrix, MatrixMut, multiply};
use crate::random::Random;
use crate::reduce::Reduce;
use crate::vectors::{add_rows, add_scaled, dot, fill_rows};

/// Number of random directions.
const DIRECTIONS: usize = 16;
/// Maximum number of steps after which the workers' results are combined. The first order is good while the parameters change
/// little.
const ROUND_STEPS: usize = 10;
/// The noise of the random directions up to which a round may be longer than the one before it.
const NOISE: f64 = 0.2;

/// What a worker keeps to combine its steps with those of the others.
#[derive(Debug)]
pub struct Combiner {
    inputs: usize,
    outputs: usize,
    seed: u64,
    /// The directions, as parameters of a layer with `DIRECTIONS` times the outputs.
    directions: Vec<f32>,
    /// The directions after the factors of the steps.
    moved: Vec<f32>,
    /// The parameters before the round.
    start: Vec<f32>,
    batch: Gathered,
    /// The outputs of a batch, and its outputs for the directions.
    values: Vec<f32>,
    changes: Vec<f32>,
}

impl Combiner {
    /// The combiner of a network.
    ///
    /// # Errors
    /// The network is not one affine layer.
    pub fn new(network: &Network, seed: u64) -> Result<Self> {
        if !network.is_affine() {
            return Err(Error::runtime(
                "the solver \"symsgd\" is defined for one dense layer without an activation; remove the hidden layers, or use \
                 `localSteps` with another solver",
            ));
        }
        Ok(Self {
            inputs: network.input().len(),
            outputs: network.output().len(),
            seed,
            directions: Vec::new(),
            moved: Vec::new(),
            start: Vec::new(),
            batch: Gathered::default(),
            values: Vec::new(),
            changes: Vec::new(),
        })
    }

    /// Starts a round with random directions, the same ones for all workers.
    fn begin(&mut self, parameters: &[f32], round: usize) {
        self.start.clear();
        self.start.extend_from_slice(parameters);
        let mut random = Random::new(mixed(self.seed, round, 0));
        let size = 1.0 / (DIRECTIONS as f32).sqrt();
        self.directions.resize(parameters.len() * DIRECTIONS, 0.0);
        for signs in self.directions.chunks_mut(64) {
            let bits = random.bits();
            for (at, direction) in signs.iter_mut().enumerate() {
                *direction = if bits >> at & 1 == 1 { size } else { -size };
            }
        }
        self.moved.clone_from(&self.directions);
    }

    /// Multiplies the moved directions by the factor of a step, I - rate * H, where the parameters are those before the step.
    fn step(&mut self, network: &Network, parameters: &[f32], (rate, scale, l2): (f32, f32, f32)) -> Result<()> {
        let (inputs, outputs, wide) = (self.inputs, self.outputs, DIRECTIONS * self.outputs);
        let rows = self.batch.weights.len();
        let x = Matrix::new(&self.batch.x, rows, inputs);
        affine(x, parameters, (inputs, outputs), &mut self.values);
        affine(x, &self.moved, (inputs, wide), &mut self.changes);
        let batch = Batch {
            outputs: &self.values,
            size: outputs,
            targets: self.batch.targets(),
            weights: Some(&self.batch.weights),
        };
        network.loss().curve(&batch, -rate * scale, &mut self.changes)?;
        let (weights, bias) = self.moved.split_at_mut(inputs * wide);
        for weight in &mut *weights {
            *weight *= 1.0 - rate * l2;
        }
        let changes = Matrix::new(&self.changes, rows, wide);
        multiply(x.transposed(), changes, &mut MatrixMut::new(weights, inputs, wide), true);
        add_rows(bias, &self.changes);
        Ok(())
    }

    /// Ends a round: moves each worker's steps to where those of the worker before ended, and adds them up. The workers exchange
    /// one vector of parameters and a few numbers. Returns the largest noise of a worker's factor: the length of what the random
    /// directions add to a vector that it moves, as a share of the vector's length.
    fn end(&mut self, workers: &mut dyn Reduce, parameters: &mut [f32]) -> Result<f64> {
        add_scaled(parameters, -1.0, &self.start);
        add_scaled(&mut self.moved, -1.0, &self.directions);
        let mut own = self.projections(parameters);
        // With random signs in A, (M - I) (A A' - I) d has this length, where the square of (M - I) A estimates that of M - I.
        own.push((dot(&self.moved, &self.moved) / DIRECTIONS as f64).sqrt());
        let bytes: Vec<u8> = own.iter().flat_map(|number| number.to_le_bytes()).collect();
        // The projection of what the workers before this one changed.
        let (mut before, mut noise) = ([0.0; DIRECTIONS], 0.0_f64);
        for (rank, bytes) in workers.gather(&bytes)?.iter().enumerate() {
            if rank == workers.rank() {
                self.add_moved(before, parameters);
            }
            let numbers: Vec<f64> = bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            if numbers.len() != own.len() {
                return Err(Error::runtime("a worker combines its steps in another way"));
            }
            let (changes, products) = numbers.split_at(DIRECTIONS);
            noise = noise.max(numbers[own.len() - 1]);
            let mut after = before;
            for (at, after) in after.iter_mut().enumerate() {
                let row = &products[at * DIRECTIONS..][..DIRECTIONS];
                *after += changes[at] + row.iter().zip(&before).map(|(product, before)| product * before).sum::<f64>();
            }
            before = after;
        }
        workers.sum(parameters)?;
        add_scaled(parameters, 1.0, &self.start);
        Ok(noise)
    }

    /// The projections of what this worker changed, A' d, then those of its factor, A' (M - I) A, row by row.
    fn projections(&self, moves: &[f32]) -> Vec<f64> {
        let (size, wide) = (self.outputs, DIRECTIONS * self.outputs);
        let mut sums = vec![0.0; DIRECTIONS + DIRECTIONS * DIRECTIONS];
        let (changes, products) = sums.split_at_mut(DIRECTIONS);
        // The bias is one more row of the weights.
        let rows = self.directions.chunks_exact(wide).zip(self.moved.chunks_exact(wide));
        for ((directions, moved), own) in rows.zip(moves.chunks_exact(size)) {
            let directions =
                directions.chunks_exact(size).zip(&mut *changes).zip(products.chunks_exact_mut(DIRECTIONS));
            for ((direction, change), products) in directions {
                *change += product(direction, own);
                for (moved, sum) in moved.chunks_exact(size).zip(products) {
                    *sum += product(direction, moved);
                }
            }
        }
        sums
    }

    /// Adds (M - I) A times some factors.
    fn add_moved(&self, factors: [f64; DIRECTIONS], parameters: &mut [f32]) {
        let size = self.outputs;
        let rows = self.moved.chunks_exact(DIRECTIONS * size).zip(parameters.chunks_exact_mut(size));
        for (moved, parameters) in rows {
            for (moved, factor) in moved.chunks_exact(size).zip(factors) {
                add_scaled(parameters, factor as f32, moved);
            }
        }
    }
}

/// The length of the next round. The noise grows with the number of steps.
fn next_length(length: usize, noise: f64) -> usize {
    let fitting = length as f64 * NOISE / noise.max(f64::MIN_POSITIVE);
    (fitting as usize).clamp(1, (2 * length).min(ROUND_STEPS))
}

/// The product of two short vectors.
fn product(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Computes `x W + b`, where the parameters are `W`, then `b`.
fn affine(x: Matrix<'_>, parameters: &[f32], (inputs, outputs): (usize, usize), y: &mut Vec<f32>) {
    let (weights, bias) = parameters.split_at(inputs * outputs);
    y.resize(x.rows() * outputs, 0.0);
    fill_rows(y, bias);
    multiply(x, Matrix::new(weights, inputs, outputs), &mut MatrixMut::new(y, x.rows(), outputs), true);
}

impl Epoch<'_> {
    /// Does all steps of the epoch in rounds, after each of which the workers' steps are combined. Returns the sum of the losses
    /// of this worker's rows.
    pub fn run_symmetric(&mut self, parameters: &mut [f32], own: f64, combiner: &mut Combiner) -> Result<f64> {
        let order = shuffled(self.rows, self.seed, self.number, self.workers.rank());
        let scale = (self.steps as f64 / own.max(f64::MIN_POSITIVE)) as f32;
        let (network, rows, l2) = (self.network, self.rows, self.l2 as f32);
        let (mut loss, mut step, mut length) = (0.0, 0, 1);
        while step < self.steps {
            let end = (step + length).min(self.steps);
            combiner.begin(parameters, self.number * self.steps + step);
            loss += self.run_steps((&order, scale), step..end, parameters, |batch, rate, parameters| {
                rows.gather(batch, &mut combiner.batch);
                combiner.step(network, parameters, (rate, scale, l2))
            })?;
            let noise = combiner.end(self.workers, parameters)?;
            length = next_length(end - step, noise);
            step = end;
        }
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::Description;
    use crate::loss::Targets;

    /// The directions after a step are what the step makes of parameters that differ by a direction, less what it makes of the
    /// parameters.
    #[test]
    fn factors_are_the_derivatives_of_steps() -> Result<()> {
        let mut random = Random::new(4);
        let mut numbers = |count: usize, limit: f64| (0..count).map(|_| random.symmetric(limit)).collect::<Vec<f32>>();
        for loss in [
            r#"{"kind":"cross_entropy","smoothing":0.1,"class_weights":[1.0,2.0,0.5]}"#,
            r#"{"kind":"squared_error"}"#,
            r#"{"kind":"sigmoid_cross_entropy"}"#,
            r#"{"kind":"huber","delta":1.0}"#,
        ] {
            let text = format!(r#"{{"version":1,"input":[4],"layers":[{{"kind":"dense","size":3}}],"loss":{loss}}}"#);
            let network = Description::parse(&text)?.network()?;
            let (rows, rate, scale, l2) = (6, 0.3, 0.2, 0.05);
            let mut combiner = Combiner::new(&network, 1)?;
            let parameters = numbers(15, 1.0);
            combiner.begin(&parameters, 0);
            let (x, values) = (numbers(rows * 4, 1.0), numbers(rows * 3, 0.5).iter().map(|x| x + 0.5).collect());
            combiner.batch = if network.has_classes() {
                Gathered::of(x, Targets::Classes(&[0, 1, 2, 2, 1, 0]), vec![1.5; rows])
            } else {
                let values: Vec<f32> = values;
                Gathered::of(x, Targets::Values(&values), vec![1.5; rows])
            };
            let stepped = |from: &[f32]| -> Result<Vec<f64>> {
                let batch = crate::network::Rows {
                    x: &combiner.batch.x,
                    targets: combiner.batch.targets(),
                    weights: Some(&combiner.batch.weights),
                    mode: crate::layer::Mode::Scoring,
                    scale,
                };
                let mut gradient = vec![0.0; from.len()];
                network.gradient(from, &batch, &mut gradient, &mut network.workspace(rows))?;
                super::super::full_batch::penalty(&network, from, f64::from(l2), &mut gradient);
                Ok(from.iter().zip(&gradient).map(|(x, slope)| f64::from(*x) - f64::from(rate * slope)).collect())
            };
            let small = 0.02_f32;
            let directions = combiner.directions.clone();
            let along = |at: usize, sign: f32| {
                let direction = directions.chunks_exact(48).flat_map(move |row| row[at * 3..][..3].to_vec());
                let moved: Vec<f32> = parameters.iter().zip(direction).map(|(x, d)| x + sign * small * d).collect();
                moved
            };
            let expected: Vec<Vec<f64>> = (0..DIRECTIONS)
                .map(|at| {
                    let (right, left) = (stepped(&along(at, 1.0))?, stepped(&along(at, -1.0))?);
                    Ok(right.iter().zip(&left).map(|(r, l)| (r - l) / f64::from(2.0 * small)).collect())
                })
                .collect::<Result<_>>()?;
            combiner.step(&network, &parameters, (rate, scale, l2))?;
            for (at, expected) in expected.iter().enumerate() {
                let moved = combiner.moved.chunks_exact(48).flat_map(|row| &row[at * 3..][..3]);
                for (moved, expected) in moved.zip(expected) {
                    assert!((f64::from(*moved) - expected).abs() < 2e-3, "{loss}: {moved} {expected}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn rounds_are_as_long_as_the_noise_allows() {
        assert_eq!(next_length(1, 0.0), 2);
        assert_eq!(next_length(8, NOISE / 4.0), ROUND_STEPS);
        assert_eq!(next_length(8, 2.0 * NOISE), 4);
        assert_eq!(next_length(2, 100.0), 1);
        assert_eq!(next_length(4, f64::INFINITY), 1);
    }

    #[test]
    fn deeper_networks_are_refused() -> Result<()> {
        for (layers, is_affine) in [
            (r#"{"kind":"flatten"},{"kind":"dense","size":2}"#, true),
            (r#"{"kind":"dense","size":2},{"kind":"relu"}"#, false),
            (r#"{"kind":"dense","size":3},{"kind":"dense","size":2}"#, false),
            (r#"{"kind":"dropout","rate":0.5},{"kind":"dense","size":2}"#, false),
        ] {
            let loss = r#"{"kind":"squared_error"}"#;
            let text = format!(r#"{{"version":1,"input":[2,2,1],"layers":[{layers}],"loss":{loss}}}"#);
            let text = if is_affine { text } else { text.replace("[2,2,1]", "[4]") };
            assert_eq!(Combiner::new(&Description::parse(&text)?.network()?, 0).is_ok(), is_affine, "{layers}");
        }
        Ok(())
    }
}
