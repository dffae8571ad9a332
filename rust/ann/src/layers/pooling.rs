//! Pooling: one value per channel for each place of a window, or for the whole image.

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Backward, Forward, Layer};
use crate::shape::{Shape, unfit};

/// What a pooling keeps of the pixels in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The largest value; the border does not count.
    Maximum,
    /// The mean; the border does not count.
    Mean,
}

/// A pooling over a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// What it keeps.
    pub kind: Kind,
    /// The window.
    pub window: Window,
}

impl Pooling {
    fn grid(&self, input: Shape) -> Result<Grid> {
        self.window.grid(input, "a pooling")
    }

    /// The places, once the network has checked the shapes.
    fn checked(&self, input: Shape) -> Grid {
        self.grid(input).unwrap_or_default()
    }
}

impl Layer for Pooling {
    fn output(&self, input: Shape) -> Result<Shape> {
        let grid = self.grid(input)?;
        Ok(grid.output(grid.image.channels))
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, x, y, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        for (x, y) in x.chunks_exact(image.len()).zip(y.chunks_exact_mut(outputs)) {
            for (place, out) in y.chunks_exact_mut(channels).enumerate() {
                match self.kind {
                    Kind::Maximum => {
                        out.fill(f32::NEG_INFINITY);
                        grid.pixels(place, |_, at| {
                            let values = &x[at..][..channels];
                            out.iter_mut().zip(values).for_each(|(out, value)| *out = out.max(*value));
                        });
                    }
                    Kind::Mean => {
                        let mut count = 0.0;
                        out.fill(0.0);
                        grid.pixels(place, |_, at| {
                            count += 1.0;
                            let values = &x[at..][..channels];
                            out.iter_mut().zip(values).for_each(|(out, value)| *out += *value);
                        });
                        out.iter_mut().for_each(|out| *out /= count);
                    }
                }
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, x, y, dy, dx, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        dx.fill(0.0);
        let images = x.chunks_exact(image.len()).zip(dx.chunks_exact_mut(image.len()));
        for ((x, dx), (y, dy)) in images.zip(y.chunks_exact(outputs).zip(dy.chunks_exact(outputs))) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                let mut count = 0.0;
                grid.pixels(place, |_, _| count += 1.0);
                // Of equal values the first one is the largest.
                let mut open = vec![true; if self.kind == Kind::Maximum { channels } else { 0 }];
                grid.pixels(place, |_, at| {
                    for channel in 0..channels {
                        match self.kind {
                            Kind::Mean => dx[at + channel] += slopes[channel] / count,
                            Kind::Maximum => {
                                if open[channel] && x[at + channel] >= y[place * channels + channel] {
                                    open[channel] = false;
                                    dx[at + channel] += slopes[channel];
                                }
                            }
                        }
                    }
                });
            }
        }
    }
}

/// The mean of each channel over the image: a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalMean;

impl Layer for GlobalMean {
    fn output(&self, input: Shape) -> Result<Shape> {
        match input {
            Shape::Image { channels, .. } => Ok(Shape::Vector(channels)),
            Shape::Vector(_) => Err(unfit(format!("a global pooling reads images, got {input}"))),
        }
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, x, y, .. } = pass;
        let Shape::Image { channels, .. } = input else { return };
        let pixels = (input.len() / channels) as f32;
        y.fill(0.0);
        for (x, y) in x.chunks_exact(input.len()).zip(y.chunks_exact_mut(channels)) {
            x.chunks_exact(channels).for_each(|pixel| crate::vectors::add(y, pixel));
            y.iter_mut().for_each(|mean| *mean /= pixels);
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, dy, dx, .. } = pass;
        let Shape::Image { channels, .. } = input else { return };
        let share = channels as f32 / input.len() as f32;
        for (dx, dy) in dx.chunks_exact_mut(input.len()).zip(dy.chunks_exact(channels)) {
            for pixel in dx.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * share);
            }
        }
    }
}

/// An image as a vector: row by row, the channels of a pixel side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flatten;

impl Layer for Flatten {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(Shape::Vector(input.len()))
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, _pass: Forward<'_>) {}

    fn backward(&self, _pass: Backward<'_>) {}
}
