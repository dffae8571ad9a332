//! Convolutions.

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Amount, Backward, Forward, Layer};
use crate::product::{Matrix, MatrixMut, multiply};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::{add, add_rows, fill_rows};

/// A convolution. The parameters are the weights, pixel of the window by input channel by filter, then one summand per filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Number of filters, the channels of the output.
    pub filters: usize,
    /// The window.
    pub window: Window,
}

impl Convolution {
    fn grid(&self, input: Shape) -> Result<Grid> {
        if self.filters == 0 {
            return Err(unfit("a convolution must have at least one filter"));
        }
        self.window.grid(input, "a convolution")
    }

    /// The places, once the network has checked the shapes.
    fn checked(&self, input: Shape) -> Grid {
        self.grid(input).unwrap_or_default()
    }
}

/// Numbers that one place of the window reads.
fn reads(grid: &Grid) -> usize {
    grid.area().saturating_mul(grid.image.channels)
}

/// Writes what each place of the window reads, row by row; 0 outside the image.
fn spread(grid: &Grid, x: &[f32], out: &mut [f32]) {
    let channels = grid.image.channels;
    for (place, row) in out.chunks_exact_mut(reads(grid)).take(grid.places()).enumerate() {
        row.fill(0.0);
        grid.runs(place, |pixel, from, count| {
            // The runs are too short for a call of `memcpy`.
            let values = &x[from..from + count * channels];
            row[pixel * channels..].iter_mut().zip(values).for_each(|(out, value)| *out = *value);
        });
    }
}

/// Adds what [`spread`] would write to where it comes from.
fn gather(grid: &Grid, rows: &[f32], dx: &mut [f32]) {
    let channels = grid.image.channels;
    for (place, row) in rows.chunks_exact(reads(grid)).take(grid.places()).enumerate() {
        grid.runs(place, |pixel, to, count| {
            add(&mut dx[to..to + count * channels], &row[pixel * channels..][..count * channels]);
        });
    }
}

impl Layer for Convolution {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(self.grid(input)?.output(self.filters))
    }

    fn parameter_count(&self, input: Shape) -> usize {
        reads(&self.checked(input)).saturating_add(1).saturating_mul(self.filters)
    }

    fn scratch(&self, input: Shape) -> Amount {
        let grid = self.checked(input);
        Amount::per_batch(reads(&grid).saturating_mul(grid.places()))
    }

    /// Uniform numbers within sqrt(6 / numbers read) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let reads = reads(&self.checked(input));
        let limit = (6.0 / reads.max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(reads * self.filters);
        weights.fill_with(|| random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, scratch, .. } = pass;
        let grid = self.checked(input);
        let (reads, count, filters) = (reads(&grid), grid.places(), self.filters);
        let (weights, bias) = parameters.split_at(reads * filters);
        fill_rows(y, bias);
        for (x, y) in x.chunks_exact(grid.image.len()).zip(y.chunks_exact_mut(count * filters)) {
            spread(&grid, x, scratch);
            let weights = Matrix::new(weights, reads, filters);
            multiply(Matrix::new(scratch, count, reads), weights, &mut MatrixMut::new(y, count, filters), true);
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, x, dy, dx, gradient, scratch, .. } = pass;
        let grid = self.checked(input);
        let (reads, count, filters) = (reads(&grid), grid.places(), self.filters);
        let (slopes, bias) = gradient.split_at_mut(reads * filters);
        add_rows(bias, dy);
        for (x, dy) in x.chunks_exact(grid.image.len()).zip(dy.chunks_exact(count * filters)) {
            spread(&grid, x, scratch);
            let turned = Matrix::new(scratch, count, reads).transposed();
            multiply(turned, Matrix::new(dy, count, filters), &mut MatrixMut::new(slopes, reads, filters), true);
        }
        let weights = Matrix::new(&parameters[..reads * filters], reads, filters).transposed();
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(grid.image.len()).zip(dy.chunks_exact(count * filters)) {
            multiply(Matrix::new(dy, count, filters), weights, &mut MatrixMut::new(scratch, count, reads), false);
            gather(&grid, scratch, dx);
        }
    }
}
