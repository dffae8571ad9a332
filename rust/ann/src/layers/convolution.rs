//! Convolutions.

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Backward, Forward, Gradient, Layer};
use crate::product::{Matrix, MatrixMut, multiply};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::add;

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
        grid.pixels(place, |pixel, from| {
            row[pixel * channels..][..channels].copy_from_slice(&x[from..from + channels]);
        });
    }
}

/// Adds what [`spread`] would write to where it comes from.
fn gather(grid: &Grid, rows: &[f32], dx: &mut [f32]) {
    let channels = grid.image.channels;
    for (place, row) in rows.chunks_exact(reads(grid)).take(grid.places()).enumerate() {
        grid.pixels(place, |pixel, to| {
            add(&mut dx[to..to + channels], &row[pixel * channels..][..channels]);
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

    fn weight_count(&self, input: Shape) -> usize {
        reads(&self.checked(input)).saturating_mul(self.filters)
    }

    fn scratch(&self, input: Shape) -> usize {
        let grid = self.checked(input);
        reads(&grid).saturating_mul(grid.places())
    }

    /// Uniform numbers within sqrt(6 / numbers read) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let reads = reads(&self.checked(input));
        let limit = (6.0 / reads.max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(reads * self.filters);
        weights.iter_mut().for_each(|weight| *weight = random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, scratch, .. } = pass;
        let grid = self.checked(input);
        let (image, reads, count) = (grid.image, reads(&grid), grid.places());
        let (weights, bias) = parameters.split_at(reads * self.filters);
        y.chunks_exact_mut(self.filters).for_each(|pixel| pixel.copy_from_slice(bias));
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(count * self.filters)) {
            spread(&grid, x, scratch);
            let product = MatrixMut::new(y, count, self.filters);
            multiply(Matrix::new(scratch, count, reads), Matrix::new(weights, reads, self.filters), product, true);
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, dy, dx, scratch, .. } = pass;
        let grid = self.checked(input);
        let (image, reads, count) = (grid.image, reads(&grid), grid.places());
        let weights = Matrix::new(&parameters[..reads * self.filters], reads, self.filters);
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(count * self.filters)) {
            let product = MatrixMut::new(scratch, count, reads);
            multiply(Matrix::new(dy, count, self.filters), weights.transposed(), product, false);
            gather(&grid, scratch, dx);
        }
    }

    fn gradient(&self, pass: Gradient<'_>) {
        let Gradient { input, x, dy, gradient, scratch, .. } = pass;
        let grid = self.checked(input);
        let (image, reads, count) = (grid.image, reads(&grid), grid.places());
        let (weights, bias) = gradient.split_at_mut(reads * self.filters);
        for (x, dy) in x.chunks_exact(image.len()).zip(dy.chunks_exact(count * self.filters)) {
            spread(&grid, x, scratch);
            let turned = Matrix::new(scratch, count, reads).transposed();
            multiply(turned, Matrix::new(dy, count, self.filters), MatrixMut::new(weights, reads, self.filters), true);
        }
        dy.chunks_exact(self.filters).for_each(|pixel| add(bias, pixel));
    }
}
