//! Pooling: one value per channel for each place of a window, or for the whole image.

use mmlrs_core::Result;

use super::window::{Grid, Window};
use crate::layer::{Amount, Backward, Form, Forward, Layer};
use crate::shape::{Shape, unfit};
use crate::vectors::{add, add_scaled, vectorized};

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

    /// For a maximum, the number of the pixel in the window, as bits.
    fn memory(&self, input: Shape) -> Amount {
        Amount::per_row(if self.kind == Kind::Maximum {
            self.checked(input).places().saturating_mul(input.channels())
        } else {
            0
        })
    }

    fn forward(&self, pass: Forward<'_>) {
        let grid = self.checked(pass.input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        let mut memory = pass.memory.chunks_exact_mut(channels);
        for (x, y) in pass.x.chunks_exact(image.len()).zip(pass.y.chunks_exact_mut(outputs)) {
            for (place, out) in y.chunks_exact_mut(channels).enumerate() {
                match self.kind {
                    Kind::Maximum => {
                        let winners = memory.next().unwrap_or_default();
                        out.fill(f32::NEG_INFINITY);
                        winners.fill(f32::from_bits(u32::MAX));
                        grid.pixels(place, |pixel, at| keep_larger(out, winners, &x[at..at + channels], number(pixel)));
                    }
                    Kind::Mean => {
                        let mut count = 0.0;
                        out.fill(0.0);
                        grid.pixels(place, |_, at| {
                            count += 1.0;
                            add(out, &x[at..at + channels]);
                        });
                        for out in out.iter_mut() {
                            *out /= count;
                        }
                    }
                }
            }
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, dy, dx, memory, .. } = pass;
        let grid = self.checked(input);
        let (image, channels) = (grid.image, grid.image.channels);
        let outputs = grid.places() * channels;
        dx.fill(0.0);
        let mut memory = memory.chunks_exact(channels);
        for (dx, dy) in dx.chunks_exact_mut(image.len()).zip(dy.chunks_exact(outputs)) {
            for (place, slopes) in dy.chunks_exact(channels).enumerate() {
                match self.kind {
                    Kind::Maximum => {
                        let winners = memory.next().unwrap_or_default();
                        grid.pixels(place, |pixel, at| {
                            add_to_winner(&mut dx[at..at + channels], winners, slopes, number(pixel));
                        });
                    }
                    Kind::Mean => {
                        let mut count = 0.0;
                        grid.pixels(place, |_, _| count += 1.0);
                        grid.pixels(place, |_, at| add_scaled(&mut dx[at..at + channels], 1.0 / count, slopes));
                    }
                }
            }
        }
    }
}

/// The number of a pixel of a window, as kept in the memory. A window has fewer than 2^32 pixels.
fn number(pixel: usize) -> u32 {
    pixel as u32
}

vectorized! {
    /// Keeps the larger values and the pixel they are from; of equal ones the first. NaN is the largest.
    fn keep_larger(out: &mut [f32], winners: &mut [f32], values: &[f32], pixel: u32) {
        for ((out, winner), value) in out.iter_mut().zip(winners).zip(values) {
            let is_larger = *value > *out || value.is_nan();
            *out = if is_larger { *value } else { *out };
            *winner = f32::from_bits(if is_larger { pixel } else { winner.to_bits() });
        }
    }
}

vectorized! {
    /// Adds the slopes of the maxima that a pixel won.
    fn add_to_winner(dx: &mut [f32], winners: &[f32], slopes: &[f32], pixel: u32) {
        for ((dx, winner), slope) in dx.iter_mut().zip(winners).zip(slopes) {
            *dx += if winner.to_bits() == pixel { *slope } else { 0.0 };
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
            x.chunks_exact(channels).for_each(|pixel| add(y, pixel));
            for mean in y {
                *mean /= pixels;
            }
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

    fn form(&self) -> Form {
        Form::Same
    }

    fn forward(&self, _pass: Forward<'_>) {}

    fn backward(&self, _pass: Backward<'_>) {}
}
