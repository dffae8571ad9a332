//! Convolutions whose window moves by one pixel, as products of matrices that overlap in memory.
//!
//! In an image of `pitch` pixels per row, the pixels that one row of the window reads are side by side, and those of the next place
//! begin one pixel later. So the reads of all places are the rows of a matrix that start every `channels` values: no copy of each
//! pixel for each place that reads it. Places whose window goes over the end of a row are computed and thrown away, or have the
//! derivative 0.

use super::window::Grid;
use crate::product::{Matrix, MatrixMut, multiply};
use crate::vectors::add;

/// A convolution by a window that moves by one pixel.
#[derive(Debug, Clone, Copy)]
pub struct Sliding {
    grid: Grid,
    filters: usize,
    /// Pixels in a row of the image with its border.
    pitch: usize,
    /// Pixels of the image with its border; 0 if it has none.
    bordered: usize,
}

impl Sliding {
    pub fn new(grid: Grid, filters: usize) -> Self {
        let [height, width] = [grid.down + grid.size[0] - 1, grid.across + grid.size[1] - 1];
        let has_border = [height, width] != [grid.image.height, grid.image.width];
        Self { grid, filters, pitch: width, bordered: if has_border { height.saturating_mul(width) } else { 0 } }
    }

    /// The places, with those that go over the end of a row.
    fn places(&self) -> usize {
        (self.grid.down - 1) * self.pitch + self.grid.across
    }

    /// The pixels of the image, with those of the border between its rows.
    fn pixels(&self) -> usize {
        (self.grid.image.height - 1) * self.pitch + self.grid.image.width
    }

    /// Pixels of border that the derivatives need before the first place, so that every pixel is in every row of the window.
    fn lead(&self) -> usize {
        (self.grid.size[0] - 1) * self.pitch + self.grid.size[1] - 1
    }

    /// Pixels of the derivatives with their border.
    fn outer(&self) -> usize {
        let rows = self.grid.down + self.grid.size[0] - 1;
        rows.saturating_mul(self.pitch).saturating_add(self.lead())
    }

    fn weights(&self) -> usize {
        self.grid.area().saturating_mul(self.grid.image.channels).saturating_mul(self.filters)
    }

    /// Number of values that the passes need while they work.
    pub fn scratch(&self) -> usize {
        let channels = self.grid.image.channels;
        let forward = self.places().saturating_mul(self.filters);
        let backward = self.outer().saturating_mul(self.filters);
        let backward = backward.saturating_add(self.pixels().saturating_mul(channels)).saturating_add(self.weights());
        self.bordered.saturating_mul(channels).saturating_add(forward.max(backward))
    }

    /// Adds the convolution of each image to `y`.
    pub fn forward(&self, weights: &[f32], x: &[f32], y: &mut [f32], scratch: &mut [f32]) {
        let (grid, filters) = (self.grid, self.filters);
        let (border, scratch) = scratch.split_at_mut(self.bordered * grid.image.channels);
        let results = &mut scratch[..self.places() * filters];
        border.fill(0.0);
        for (x, y) in x.chunks_exact(grid.image.len()).zip(y.chunks_exact_mut(grid.places() * filters)) {
            let x = self.with_border(x, border);
            for (row, weights) in weights.chunks_exact(self.row()).enumerate() {
                let weights = Matrix::new(weights, self.row() / filters, filters);
                let mut product = MatrixMut::new(results, self.places(), filters);
                multiply(self.reads(x, row), weights, &mut product, row > 0);
            }
            let rows = results.chunks(self.pitch * filters);
            for (y, row) in y.chunks_exact_mut(grid.across * filters).zip(rows) {
                add(y, row);
            }
        }
    }

    /// Adds the derivative by the weights to `gradient` and, unless `dx` is empty, writes the derivative by the images.
    pub fn backward(
        &self,
        weights: &[f32],
        [x, dy]: [&[f32]; 2],
        dx: &mut [f32],
        gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        let (grid, filters) = (self.grid, self.filters);
        let (border, scratch) = scratch.split_at_mut(self.bordered * grid.image.channels);
        let (slopes, scratch) = scratch.split_at_mut(self.outer() * filters);
        let (turned, results) = scratch.split_at_mut(self.weights());
        border.fill(0.0);
        slopes.fill(0.0);
        self.turn(weights, turned);
        let mut targets = dx.chunks_exact_mut(grid.image.len());
        for (x, dy) in x.chunks_exact(grid.image.len()).zip(dy.chunks_exact(grid.places() * filters)) {
            let rows = slopes[self.lead() * filters..].chunks_mut(self.pitch * filters);
            for (row, dy) in rows.zip(dy.chunks_exact(grid.across * filters)) {
                row[..dy.len()].copy_from_slice(dy);
            }
            let x = self.with_border(x, border);
            let of_places = Matrix::new(&slopes[self.lead() * filters..], self.places(), filters);
            for (row, gradient) in gradient.chunks_exact_mut(self.row()).enumerate() {
                let mut product = MatrixMut::new(gradient, self.row() / filters, filters);
                multiply(self.reads(x, row).transposed(), of_places, &mut product, true);
            }
            if let Some(dx) = targets.next() {
                self.slopes_of_image(turned, slopes, dx, results);
            }
        }
    }

    /// Number of weights of a row of the window.
    fn row(&self) -> usize {
        self.grid.size[1] * self.grid.image.channels * self.filters
    }

    /// What a row of the window reads at each place.
    fn reads<'a>(&self, x: &'a [f32], row: usize) -> Matrix<'a> {
        let channels = self.grid.image.channels;
        Matrix::strided(&x[row * self.pitch * channels..], self.places(), self.grid.size[1] * channels, channels)
    }

    /// The image inside its border, which is 0.
    fn with_border<'a>(&self, x: &'a [f32], border: &'a mut [f32]) -> &'a [f32] {
        if self.bordered == 0 {
            return x;
        }
        let Grid { image, top, left, .. } = self.grid;
        let rows = border.chunks_exact_mut(self.pitch * image.channels).skip(top);
        for (row, x) in rows.zip(x.chunks_exact(image.width * image.channels)) {
            row[left * image.channels..][..x.len()].copy_from_slice(x);
        }
        border
    }

    /// Writes the weights by row, pixel of the row from the last to the first, filter and channel.
    fn turn(&self, weights: &[f32], turned: &mut [f32]) {
        let (channels, filters) = (self.grid.image.channels, self.filters);
        let pixel = channels * filters;
        for (weights, turned) in weights.chunks_exact(self.row()).zip(turned.chunks_exact_mut(self.row())) {
            for (weights, turned) in weights.chunks_exact(pixel).zip(turned.chunks_exact_mut(pixel).rev()) {
                for (at, value) in turned.iter_mut().enumerate() {
                    *value = weights[at % channels * filters + at / channels];
                }
            }
        }
    }

    /// Writes the derivative by an image: the convolution of the derivatives, inside their border, with the turned weights.
    fn slopes_of_image(&self, turned: &[f32], slopes: &[f32], dx: &mut [f32], results: &mut [f32]) {
        let Grid { image, size, top, left, .. } = self.grid;
        let (channels, filters) = (image.channels, self.filters);
        let out = if self.bordered == 0 { &mut *dx } else { &mut results[..self.pixels() * channels] };
        for (row, turned) in turned.chunks_exact(self.row()).enumerate() {
            let first = (size[0] - 1 - row + top) * self.pitch + left;
            let read = Matrix::strided(&slopes[first * filters..], self.pixels(), size[1] * filters, filters);
            let weights = Matrix::new(turned, size[1] * filters, channels);
            multiply(read, weights, &mut MatrixMut::new(out, self.pixels(), channels), row > 0);
        }
        if self.bordered > 0 {
            let rows = results.chunks(self.pitch * channels);
            for (dx, row) in dx.chunks_exact_mut(image.width * channels).zip(rows) {
                dx.copy_from_slice(&row[..dx.len()]);
            }
        }
    }
}
