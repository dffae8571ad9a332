//! Depthwise convolutions.

use std::ops::Range;

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Backward, Forward, Layer};
use crate::random::Random;
use crate::shape::Shape;
use crate::vectors::{add_product, add_rows, fill_rows};

/// A convolution of each channel with a filter of its own. The parameters are the weights, pixel of the window by channel, then one
/// summand per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depthwise {
    /// The window.
    pub window: Window,
}

impl Depthwise {
    fn grid(&self, input: Shape) -> Result<Grid> {
        self.window.grid(input, "a depthwise convolution")
    }

    /// The places, once the network has checked the shapes.
    fn checked(&self, input: Shape) -> Grid {
        self.grid(input).unwrap_or_default()
    }
}

impl Layer for Depthwise {
    fn output(&self, input: Shape) -> Result<Shape> {
        let grid = self.grid(input)?;
        Ok(grid.output(grid.image.channels))
    }

    fn parameter_count(&self, input: Shape) -> usize {
        let grid = self.checked(input);
        grid.area().saturating_add(1).saturating_mul(grid.image.channels)
    }

    fn weights(&self, input: Shape) -> Vec<Range<usize>> {
        let grid = self.checked(input);
        std::iter::once(0..grid.area().saturating_mul(grid.image.channels)).collect()
    }

    /// Uniform numbers within sqrt(6 / pixels of the window) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let grid = self.checked(input);
        let limit = (6.0 / grid.area().max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(grid.area() * grid.image.channels);
        weights.fill_with(|| random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let (weights, bias) = parameters.split_at(grid.area() * channels);
        fill_rows(y, bias);
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(grid.places() * channels)) {
            for (place, out) in y.chunks_exact_mut(channels).enumerate() {
                grid.runs(place, |pixel, at, count| {
                    for (values, factors) in
                        pixels(x, at, count, channels).zip(pixels(weights, pixel * channels, count, channels))
                    {
                        add_product(out, values, factors);
                    }
                });
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, x, dy, dx, gradient, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let (weights, bias) = gradient.split_at_mut(grid.area() * channels);
        add_rows(bias, dy);
        let outputs = grid.places() * channels;
        for (x, dy) in x.chunks_exact(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                grid.runs(place, |pixel, at, count| {
                    let targets = weights[pixel * channels..].chunks_exact_mut(channels);
                    for (values, targets) in pixels(x, at, count, channels).zip(targets) {
                        add_product(targets, slopes, values);
                    }
                });
            }
        }
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                grid.runs(place, |pixel, at, count| {
                    let targets = dx[at..].chunks_exact_mut(channels);
                    for (factors, targets) in pixels(parameters, pixel * channels, count, channels).zip(targets) {
                        add_product(targets, slopes, factors);
                    }
                });
            }
        }
    }
}

/// The channels of so many pixels side by side.
fn pixels(values: &[f32], at: usize, count: usize, channels: usize) -> std::slice::ChunksExact<'_, f32> {
    values[at..at + count * channels].chunks_exact(channels)
}
