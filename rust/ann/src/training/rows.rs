//! The rows that a worker trains on, in memory.

use std::hash::{BuildHasher, Hasher};

use mmlrs_core::{Error, Result};

use crate::loss::Targets;
use crate::random::Random;

/// What a network should answer for a row.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A class.
    Class(u32),
    /// One value per output.
    Values(&'a [f32]),
    /// The row itself.
    Input,
}

/// The rows of a worker: those to train on and those held out.
#[derive(Debug)]
pub struct Dataset {
    /// Rows to train on.
    pub train: Part,
    /// Rows whose loss is only measured.
    pub held_out: Part,
    fraction: f64,
    seed: u64,
}

impl Dataset {
    /// No rows yet. Rows have `width` values, and `outputs` target values if their targets are values. A share of the rows is
    /// held out: which ones depends on the seed and on their content, so equal rows stay together and the order does not matter.
    pub fn new(width: usize, outputs: usize, fraction: f64, seed: u64) -> Self {
        Self { train: Part::new(width, outputs), held_out: Part::new(width, outputs), fraction, seed }
    }

    /// Adds a row. `is_held_out` is set if the data says whether the row is held out.
    ///
    /// # Errors
    /// There are too many rows.
    pub fn push(&mut self, x: &[f32], target: Target<'_>, weight: f32, is_held_out: Option<bool>) -> Result<()> {
        let key = key_of(x, target, weight);
        let held_out =
            is_held_out.unwrap_or_else(|| self.fraction > 0.0 && Random::new(self.seed ^ key).unit() < self.fraction);
        if held_out { self.held_out.push(x, target, weight, key) } else { self.train.push(x, target, weight, key) }
    }

    /// Puts the rows into an order that depends on their content and the seed only, not on how they arrived.
    pub fn settle(&mut self) {
        for part in [&mut self.train, &mut self.held_out] {
            let seed = self.seed;
            let mut order: Vec<u32> = (0..part.keys.len() as u32).collect();
            order.sort_by_cached_key(|row| Random::new(seed ^ part.keys[*row as usize]).bits());
            part.order = order;
        }
    }
}

/// A hash of a row.
fn key_of(x: &[f32], target: Target<'_>, weight: f32) -> u64 {
    let mut hasher = foldhash::fast::FixedState::with_seed(0).build_hasher();
    for value in x {
        hasher.write_u32(value.to_bits());
    }
    match target {
        Target::Class(class) => hasher.write_u32(class),
        Target::Values(values) => {
            for value in values {
                hasher.write_u32(value.to_bits());
            }
        }
        Target::Input => {}
    }
    hasher.write_u32(weight.to_bits());
    hasher.finish()
}

/// Bytes of a block of rows. Memory grows by blocks and is never copied.
const BLOCK_BYTES: usize = 1 << 20;

/// Rows of values in blocks.
#[derive(Debug)]
struct Blocks {
    width: usize,
    rows_per_block: usize,
    filled: Vec<Vec<f32>>,
}

impl Blocks {
    fn new(width: usize) -> Self {
        Self { width, rows_per_block: (BLOCK_BYTES / 4 / width.max(1)).max(1), filled: Vec::new() }
    }

    fn push(&mut self, row: &[f32]) {
        if self.filled.last().is_none_or(|block| block.len() == self.width * self.rows_per_block) {
            self.filled.push(Vec::with_capacity(self.width * self.rows_per_block));
        }
        if let Some(block) = self.filled.last_mut() {
            block.extend_from_slice(row);
        }
    }

    fn row(&self, row: usize) -> &[f32] {
        let start = row % self.rows_per_block * self.width;
        &self.filled[row / self.rows_per_block][start..start + self.width]
    }
}

/// Rows with targets and weights.
#[derive(Debug)]
pub struct Part {
    x: Blocks,
    outputs: usize,
    classes: Vec<u32>,
    values: Option<Blocks>,
    are_inputs: bool,
    weights: Vec<f32>,
    keys: Vec<u64>,
    order: Vec<u32>,
}

impl Part {
    fn new(width: usize, outputs: usize) -> Self {
        Self {
            x: Blocks::new(width),
            outputs,
            classes: Vec::new(),
            values: None,
            are_inputs: false,
            weights: Vec::new(),
            keys: Vec::new(),
            order: Vec::new(),
        }
    }

    fn push(&mut self, x: &[f32], target: Target<'_>, weight: f32, key: u64) -> Result<()> {
        if self.keys.len() >= u32::MAX as usize {
            return Err(Error::runtime("a worker has more than 2^32 rows; use more workers"));
        }
        self.x.push(x);
        match target {
            Target::Class(class) => self.classes.push(class),
            Target::Values(values) => {
                let outputs = self.outputs;
                self.values.get_or_insert_with(|| Blocks::new(outputs)).push(values);
            }
            Target::Input => self.are_inputs = true,
        }
        self.weights.push(weight);
        self.keys.push(key);
        Ok(())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }

    /// Sum of the weights of the rows.
    pub fn weight(&self) -> f64 {
        // In an order that does not depend on how the rows arrived.
        self.order.iter().map(|row| f64::from(self.weights[*row as usize])).sum()
    }

    /// Adds up the weights of the rows of each class, or of each value its weighted sum and that of its squares.
    pub fn sum_targets(&self, sums: &mut [f64]) {
        for row in self.order.iter().map(|row| *row as usize) {
            let weight = f64::from(self.weights[row]);
            if let Some(class) = self.classes.get(row) {
                sums[*class as usize] += weight;
                continue;
            }
            let values = self.values.as_ref().unwrap_or(&self.x).row(row);
            for (sums, value) in sums.chunks_exact_mut(2).zip(values.iter().map(|value| f64::from(*value))) {
                sums[0] += weight * value;
                sums[1] += weight * value * value;
            }
        }
    }

    /// The rows in the order of [`Dataset::settle`].
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Copies rows to a buffer.
    pub(super) fn gather(&self, rows: &[u32], batch: &mut Gathered) {
        batch.clear();
        for row in rows {
            let row = *row as usize;
            batch.x.extend_from_slice(self.x.row(row));
            batch.weights.push(self.weights[row]);
            if let Some(values) = &self.values {
                batch.values.extend_from_slice(values.row(row));
            } else if !self.are_inputs {
                batch.classes.push(self.classes[row]);
            }
        }
        batch.kind = match (&self.values, self.are_inputs) {
            (Some(_), _) => Kind::Values,
            (None, true) => Kind::Input,
            (None, false) => Kind::Classes,
        };
    }
}

/// What the targets of a batch are.
#[derive(Debug, Clone, Copy, Default)]
enum Kind {
    #[default]
    Classes,
    Values,
    Input,
}

/// A batch of rows, side by side.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub x: Vec<f32>,
    pub weights: Vec<f32>,
    classes: Vec<u32>,
    values: Vec<f32>,
    kind: Kind,
}

impl Gathered {
    /// Rows that are given.
    #[cfg(test)]
    pub fn of(x: Vec<f32>, targets: Targets<'_>, weights: Vec<f32>) -> Self {
        let (classes, values, kind) = match targets {
            Targets::Classes(classes) => (classes.to_vec(), Vec::new(), Kind::Classes),
            Targets::Values(values) => (Vec::new(), values.to_vec(), Kind::Values),
        };
        Self { x, weights, classes, values, kind }
    }

    fn clear(&mut self) {
        self.x.clear();
        self.weights.clear();
        self.classes.clear();
        self.values.clear();
    }

    /// The targets of the rows.
    pub fn targets(&self) -> Targets<'_> {
        match self.kind {
            Kind::Classes => Targets::Classes(&self.classes),
            Kind::Values => Targets::Values(&self.values),
            Kind::Input => Targets::Values(&self.x),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(dataset: &Dataset) -> Vec<f32> {
        dataset.train.order().iter().map(|row| dataset.train.x.row(*row as usize)[0]).collect()
    }

    #[test]
    fn the_order_depends_on_the_content_only() -> Result<()> {
        let rows: Vec<[f32; 2]> = (0..50).map(|at| [at as f32, 1.0]).collect();
        let (mut forward, mut backward) = (Dataset::new(2, 0, 0.3, 7), Dataset::new(2, 0, 0.3, 7));
        for (row, other) in rows.iter().zip(rows.iter().rev()) {
            forward.push(row, Target::Class(1), 1.0, None)?;
            backward.push(other, Target::Class(1), 1.0, None)?;
        }
        forward.settle();
        backward.settle();
        assert_eq!(order(&forward), order(&backward));
        assert_ne!(order(&forward), rows.iter().map(|row| row[0]).take(forward.train.rows()).collect::<Vec<_>>());
        assert!((5..=25).contains(&forward.held_out.rows()), "{}", forward.held_out.rows());
        assert_eq!(forward.train.rows() + forward.held_out.rows(), 50);
        Ok(())
    }

    #[test]
    fn rows_cross_blocks() -> Result<()> {
        let width = BLOCK_BYTES / 4 / 2;
        let mut dataset = Dataset::new(width, 1, 0.0, 0);
        for at in 0..5 {
            dataset.push(&vec![at as f32; width], Target::Values(&[at as f32]), 0.5, None)?;
        }
        dataset.settle();
        let mut batch = Gathered::default();
        dataset.train.gather(&[4, 0], &mut batch);
        assert_eq!((batch.x[0], batch.x[width]), (4.0, 0.0));
        assert!(matches!(batch.targets(), Targets::Values([4.0, 0.0])));
        assert!((dataset.train.weight() - 2.5).abs() < 1e-12);
        Ok(())
    }
}
