//! Convolutions.

use mmlrs_core::{Error, Result};

use super::window::{Size, Window};
use crate::layer::{Backward, Forward, Gradient, Layer};
use crate::product::{Matrix, MatrixMut, multiply};
use crate::random::Random;
use crate::shape::Shape;
use crate::vectors::{add, add_scaled};

/// A convolution. The parameters are the weights, pixel of the window by input channel by filter, then one summand per filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Number of filters, the channels of the output.
    pub filters: usize,
    /// The window.
    pub window: Window,
}

impl Convolution {
    fn sizes(&self, input: Shape) -> Result<(Size, (usize, usize))> {
        if self.filters == 0 {
            return Err(Error::runtime("a convolution must have at least one filter"));
        }
        self.window.places(input, "a convolution")
    }

    /// Numbers that one place of the window reads.
    fn reads(&self, image: Size) -> usize {
        self.window.size.0 * self.window.size.1 * image.channels
    }

    /// Writes what each place of the window reads, row by row; 0 outside the image.
    fn spread(&self, image: Size, places: (usize, usize), x: &[f32], out: &mut [f32]) {
        let (reads, channels) = (self.reads(image), image.channels);
        for (place, row) in out.chunks_exact_mut(reads).take(places.0 * places.1).enumerate() {
            row.fill(0.0);
            self.window.pixels(image, (place / places.1, place % places.1), |pixel, y, column| {
                let from = image.at(y, column);
                row[pixel * channels..][..channels].copy_from_slice(&x[from..from + channels]);
            });
        }
    }

    /// Adds what [`Self::spread`] would write to where it comes from.
    fn gather(&self, image: Size, places: (usize, usize), rows: &[f32], dx: &mut [f32]) {
        let (reads, channels) = (self.reads(image), image.channels);
        for (place, row) in rows.chunks_exact(reads).take(places.0 * places.1).enumerate() {
            self.window.pixels(image, (place / places.1, place % places.1), |pixel, y, column| {
                let to = image.at(y, column);
                add(&mut dx[to..to + channels], &row[pixel * channels..][..channels]);
            });
        }
    }

    fn expected(&self, input: Shape) -> (Size, (usize, usize)) {
        // The network checks the shapes when it is made.
        self.sizes(input).unwrap_or((Size { height: 0, width: 0, channels: 0 }, (0, 0)))
    }
}

impl Layer for Convolution {
    fn output(&self, input: Shape) -> Result<Shape> {
        let (_, (height, width)) = self.sizes(input)?;
        Ok(Shape::Image { height, width, channels: self.filters })
    }

    fn parameter_count(&self, input: Shape) -> usize {
        let (image, _) = self.expected(input);
        (self.reads(image) + 1) * self.filters
    }

    fn weight_count(&self, input: Shape) -> usize {
        self.reads(self.expected(input).0) * self.filters
    }

    fn scratch(&self, input: Shape) -> usize {
        let (image, places) = self.expected(input);
        self.reads(image) * places.0 * places.1
    }

    /// Uniform numbers within sqrt(6 / numbers read) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let reads = self.reads(self.expected(input).0);
        let limit = (6.0 / reads.max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(reads * self.filters);
        weights.iter_mut().for_each(|weight| *weight = random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, scratch, .. } = pass;
        let (image, places) = self.expected(input);
        let (reads, count) = (self.reads(image), places.0 * places.1);
        let (weights, bias) = parameters.split_at(reads * self.filters);
        y.chunks_exact_mut(self.filters).for_each(|pixel| pixel.copy_from_slice(bias));
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(count * self.filters)) {
            self.spread(image, places, x, scratch);
            let product = MatrixMut::new(y, count, self.filters);
            multiply(Matrix::new(scratch, count, reads), Matrix::new(weights, reads, self.filters), product, true);
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, dy, dx, scratch, .. } = pass;
        let (image, places) = self.expected(input);
        let (reads, count) = (self.reads(image), places.0 * places.1);
        let weights = Matrix::new(&parameters[..reads * self.filters], reads, self.filters);
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(count * self.filters)) {
            let product = MatrixMut::new(scratch, count, reads);
            multiply(Matrix::new(dy, count, self.filters), weights.transposed(), product, false);
            self.gather(image, places, scratch, dx);
        }
    }

    fn gradient(&self, pass: Gradient<'_>) {
        let Gradient { input, x, dy, gradient, scratch, .. } = pass;
        let (image, places) = self.expected(input);
        let (reads, count) = (self.reads(image), places.0 * places.1);
        let (weights, bias) = gradient.split_at_mut(reads * self.filters);
        for (x, dy) in x.chunks_exact(image.len()).zip(dy.chunks_exact(count * self.filters)) {
            self.spread(image, places, x, scratch);
            let turned = Matrix::new(scratch, count, reads).transposed();
            multiply(turned, Matrix::new(dy, count, self.filters), MatrixMut::new(weights, reads, self.filters), true);
        }
        dy.chunks_exact(self.filters).for_each(|pixel| add(bias, pixel));
    }
}

/// A convolution of each channel with a filter of its own. The parameters are the weights, pixel of the window by channel, then one
/// summand per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depthwise {
    /// The window.
    pub window: Window,
}

impl Depthwise {
    fn expected(&self, input: Shape) -> (Size, (usize, usize)) {
        let places = self.window.places(input, "a depthwise convolution");
        places.unwrap_or((Size { height: 0, width: 0, channels: 0 }, (0, 0)))
    }

    fn area(&self) -> usize {
        self.window.size.0 * self.window.size.1
    }
}

impl Layer for Depthwise {
    fn output(&self, input: Shape) -> Result<Shape> {
        let (Size { channels, .. }, (height, width)) = self.window.places(input, "a depthwise convolution")?;
        Ok(Shape::Image { height, width, channels })
    }

    fn parameter_count(&self, input: Shape) -> usize {
        (self.area() + 1) * self.expected(input).0.channels
    }

    fn weight_count(&self, input: Shape) -> usize {
        self.area() * self.expected(input).0.channels
    }

    fn scratch(&self, input: Shape) -> usize {
        self.expected(input).0.channels
    }

    /// Uniform numbers within sqrt(6 / pixels of the window) (He et al. 2015), and 0 for the summands.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let limit = (6.0 / self.area().max(1) as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(self.area() * self.expected(input).0.channels);
        weights.iter_mut().for_each(|weight| *weight = random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, parameters, x, y, .. } = pass;
        let (image, places) = self.expected(input);
        let channels = image.channels;
        let (weights, bias) = parameters.split_at(self.area() * channels);
        let outputs = places.0 * places.1 * channels;
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(outputs)) {
            for (place, out) in y.chunks_exact_mut(channels).enumerate() {
                out.copy_from_slice(bias);
                self.window.pixels(image, (place / places.1, place % places.1), |pixel, row, column| {
                    let (values, factors) = (&x[image.at(row, column)..], &weights[pixel * channels..]);
                    for ((out, value), factor) in out.iter_mut().zip(values).zip(factors) {
                        *out += value * factor;
                    }
                });
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, parameters, dy, dx, .. } = pass;
        let (image, places) = self.expected(input);
        let channels = image.channels;
        let outputs = places.0 * places.1 * channels;
        dx.fill(0.0);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                self.window.pixels(image, (place / places.1, place % places.1), |pixel, row, column| {
                    let factors = &parameters[pixel * channels..][..channels];
                    let targets = &mut dx[image.at(row, column)..][..channels];
                    for ((target, slope), factor) in targets.iter_mut().zip(slopes).zip(factors) {
                        *target += slope * factor;
                    }
                });
            }
        }
    }

    fn gradient(&self, pass: Gradient<'_>) {
        let Gradient { input, x, dy, gradient, .. } = pass;
        let (image, places) = self.expected(input);
        let channels = image.channels;
        let outputs = places.0 * places.1 * channels;
        let (weights, bias) = gradient.split_at_mut(self.area() * channels);
        for (x, dy) in x.chunks_exact(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                add_scaled(bias, 1.0, slopes);
                self.window.pixels(image, (place / places.1, place % places.1), |pixel, row, column| {
                    let values = &x[image.at(row, column)..][..channels];
                    let targets = &mut weights[pixel * channels..][..channels];
                    for ((target, slope), value) in targets.iter_mut().zip(slopes).zip(values) {
                        *target += slope * value;
                    }
                });
            }
        }
    }
}
