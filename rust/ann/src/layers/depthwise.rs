//! Depthwise convolutions.

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Backward, Forward, Gradient, Layer};
use crate::random::Random;
use crate::shape::Shape;
use crate::vectors::add;

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

    fn weight_count(&self, input: Shape) -> usize {
        let grid = self.checked(input);
        grid.area().saturating_mul(grid.image.channels)
    }

    /// Uniform numbers within sqrt(6 / pixels of the window) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let grid = self.checked(input);
        let limit = (6.0 / grid.area().max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(grid.area() * grid.image.channels);
        weights.iter_mut().for_each(|weight| *weight = random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let (weights, bias) = parameters.split_at(grid.area() * channels);
        let outputs = grid.places() * channels;
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(outputs)) {
            for (place, out) in y.chunks_exact_mut(channels).enumerate() {
                out.copy_from_slice(bias);
                grid.pixels(place, |pixel, at| {
                    let (values, factors) = (&x[at..], &weights[pixel * channels..]);
                    for ((out, value), factor) in out.iter_mut().zip(values).zip(factors) {
                        *out += value * factor;
                    }
                });
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, dy, dx, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                grid.pixels(place, |pixel, at| {
                    let factors = &parameters[pixel * channels..][..channels];
                    let targets = &mut dx[at..][..channels];
                    for ((target, slope), factor) in targets.iter_mut().zip(slopes).zip(factors) {
                        *target += slope * factor;
                    }
                });
            }
        }
    }

    fn gradient(&self, pass: Gradient<'_>) {
        let Gradient { input, x, dy, gradient, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        let (weights, bias) = gradient.split_at_mut(grid.area() * channels);
        for (x, dy) in x.chunks_exact(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                add(bias, slopes);
                grid.pixels(place, |pixel, at| {
                    let values = &x[at..][..channels];
                    let targets = &mut weights[pixel * channels..][..channels];
                    for ((target, slope), value) in targets.iter_mut().zip(slopes).zip(values) {
                        *target += slope * value;
                    }
                });
            }
        }
    }
}
