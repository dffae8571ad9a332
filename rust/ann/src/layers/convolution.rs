//! Convolutions.

use std::ops::Range;

use mmlrs_core::Result;

use super::Dense;
use super::sliding::Sliding;
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

    fn method(&self, grid: Grid) -> Method {
        let steps_by_one = grid.stride == [1, 1];
        if steps_by_one && grid.size == [1, 1] {
            Method::Pixels(Dense { size: self.filters })
        } else if steps_by_one && grid.image.channels > 1 {
            Method::Sliding(Sliding::new(grid, self.filters))
        } else {
            Method::Spread
        }
    }
}

/// How a convolution is computed. All methods use the same weights in the same order.
#[derive(Debug, Clone, Copy)]
enum Method {
    /// A window of one pixel: a dense layer on each pixel.
    Pixels(Dense),
    /// A window that moves by one pixel.
    Sliding(Sliding),
    /// What each place of the window reads is written side by side (`im2col`).
    Spread,
}

impl Layer for Convolution {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(self.grid(input)?.output(self.filters))
    }

    fn parameter_count(&self, input: Shape) -> usize {
        reads(&self.checked(input)).saturating_add(1).saturating_mul(self.filters)
    }

    fn weights(&self, input: Shape) -> Vec<Range<usize>> {
        std::iter::once(0..reads(&self.checked(input)).saturating_mul(self.filters)).collect()
    }

    fn scratch(&self, input: Shape) -> Amount {
        let grid = self.checked(input);
        Amount::per_batch(match self.method(grid) {
            Method::Pixels(dense) => return dense.scratch(Shape::Vector(grid.image.channels)),
            Method::Sliding(sliding) => sliding.scratch(),
            Method::Spread => reads(&grid).saturating_mul(grid.places()),
        })
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
        let grid = self.checked(pass.input);
        let method = self.method(grid);
        if let Method::Pixels(dense) = method {
            let (input, rows) = (Shape::Vector(grid.image.channels), pass.rows * grid.places());
            return dense.forward(Forward { input, rows, ..pass });
        }
        let Forward { parameters, x, y, scratch, .. } = pass;
        let (weights, bias) = parameters.split_at(reads(&grid) * self.filters);
        fill_rows(y, bias);
        if let Method::Sliding(sliding) = method {
            sliding.forward(weights, x, y, scratch);
        } else {
            forward_spread(&grid, self.filters, weights, x, y, scratch);
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        let grid = self.checked(pass.input);
        let method = self.method(grid);
        if let Method::Pixels(dense) = method {
            let (input, rows) = (Shape::Vector(grid.image.channels), pass.rows * grid.places());
            return dense.backward(Backward { input, rows, ..pass });
        }
        let Backward { parameters, x, dy, dx, gradient, scratch, .. } = pass;
        let count = reads(&grid) * self.filters;
        let (gradient, bias) = gradient.split_at_mut(count);
        let weights = &parameters[..count];
        add_rows(bias, dy);
        if let Method::Sliding(sliding) = method {
            sliding.backward(weights, [x, dy], dx, gradient, scratch);
        } else {
            backward_spread(&grid, weights, [x, dy], dx, gradient, scratch);
        }
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

/// Adds the convolution of each image to `y`.
fn forward_spread(grid: &Grid, filters: usize, weights: &[f32], x: &[f32], y: &mut [f32], scratch: &mut [f32]) {
    let (reads, count) = (reads(grid), grid.places());
    let weights = Matrix::new(weights, reads, filters);
    for (x, y) in x.chunks_exact(grid.image.len()).zip(y.chunks_exact_mut(count * filters)) {
        spread(grid, x, scratch);
        multiply(Matrix::new(scratch, count, reads), weights, &mut MatrixMut::new(y, count, filters), true);
    }
}

/// Adds the derivative by the weights to `gradient` and, unless `dx` is empty, writes the derivative by the images.
fn backward_spread(
    grid: &Grid,
    weights: &[f32],
    [x, dy]: [&[f32]; 2],
    dx: &mut [f32],
    gradient: &mut [f32],
    scratch: &mut [f32],
) {
    let (reads, count) = (reads(grid), grid.places());
    let filters = weights.len() / reads;
    let weights = Matrix::new(weights, reads, filters).transposed();
    dx.fill(0.0);
    let mut targets = dx.chunks_exact_mut(grid.image.len());
    for (x, dy) in x.chunks_exact(grid.image.len()).zip(dy.chunks_exact(count * filters)) {
        let slopes = Matrix::new(dy, count, filters);
        spread(grid, x, scratch);
        let turned = Matrix::new(scratch, count, reads).transposed();
        multiply(turned, slopes, &mut MatrixMut::new(gradient, reads, filters), true);
        if let Some(dx) = targets.next() {
            multiply(slopes, weights, &mut MatrixMut::new(scratch, count, reads), false);
            gather(grid, scratch, dx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Mode;
    use crate::layers::Padding;

    /// The layer's results: the output, and the derivatives by input and parameters.
    fn made(layer: Convolution, input: Shape, rows: usize, parameters: &[f32], x: &[f32], dy: &[f32]) -> [Vec<f32>; 3] {
        // The layer finds any values in its scratch.
        let mut scratch = vec![f32::NAN; layer.scratch(input).of(rows)];
        let (mut y, mut dx, mut gradient) =
            (vec![f32::NAN; dy.len()], vec![f32::NAN; x.len()], vec![0.0; parameters.len()]);
        let mode = Mode::Training { seed: 1 };
        let (memory, y_of_backward): (&mut [f32], &[f32]) = (&mut [], &[]);
        layer.forward(Forward { input, rows, mode, parameters, x, y: &mut y, memory, scratch: &mut scratch });
        scratch.fill(f32::NAN);
        layer.backward(Backward {
            input,
            rows,
            mode,
            scale: 1.0,
            parameters,
            x,
            y: y_of_backward,
            dy,
            dx: &mut dx,
            gradient: &mut gradient,
            replaces: false,
            memory: &[],
            scratch: &mut scratch,
        });
        [y, dx, gradient]
    }

    /// The same from the definition, in `f64`.
    fn exact(layer: Convolution, input: Shape, parameters: &[f32], x: &[f32], dy: &[f32]) -> [Vec<f64>; 3] {
        let (grid, filters) = (layer.checked(input), layer.filters);
        let (image, [kh, kw]) = (grid.image, grid.size);
        let bias = kh * kw * image.channels * filters;
        let (mut y, mut dx, mut gradient) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; parameters.len()]);
        for at in 0..dy.len() {
            let (row, place, filter) = (at / filters / grid.places(), at / filters % grid.places(), at % filters);
            y[at] = f64::from(parameters[bias + filter]);
            gradient[bias + filter] += f64::from(dy[at]);
            for weight in 0..kh * kw * image.channels {
                let (pixel, channel) = (weight / image.channels, weight % image.channels);
                let down = (place / grid.across * grid.stride[0] + pixel / kw) as isize - grid.top as isize;
                let across = (place % grid.across * grid.stride[1] + pixel % kw) as isize - grid.left as isize;
                let is_inside =
                    (0..image.height as isize).contains(&down) && (0..image.width as isize).contains(&across);
                if is_inside {
                    let from =
                        row * image.len() + (down as usize * image.width + across as usize) * image.channels + channel;
                    let number = weight * filters + filter;
                    y[at] += f64::from(x[from]) * f64::from(parameters[number]);
                    dx[from] += f64::from(dy[at]) * f64::from(parameters[number]);
                    gradient[number] += f64::from(dy[at]) * f64::from(x[from]);
                }
            }
        }
        [y, dx, gradient]
    }

    #[test]
    fn every_method_computes_the_definition() {
        let paddings = [
            Padding::Valid,
            Padding::Same,
            Padding::Sides([1, 0, 0, 1]),
            Padding::Sides([0, 1, 1, 0]),
            Padding::Sides([0, 0, 2, 0]),
        ];
        let (mut checked, mut random) = ([0; 3], Random::new(1));
        for [height, width, channels, filters] in [[6, 7, 3, 4], [5, 5, 1, 3], [3, 9, 2, 1], [8, 4, 5, 17]] {
            for size in [[1, 1], [3, 3], [2, 3], [3, 1], [1, 2], [3, 4]] {
                for stride in [[1, 1], [2, 2], [1, 2], [3, 1]] {
                    for padding in paddings {
                        let layer = Convolution { filters, window: Window { size, stride, padding } };
                        let input = Shape::Image { height, width, channels };
                        // Some borders are as wide as the window.
                        let Ok(output) = layer.output(input) else { continue };
                        let mut numbers = |count| (0..count).map(|_| random.symmetric(1.0)).collect::<Vec<f32>>();
                        let (x, dy) = (numbers(2 * input.len()), numbers(2 * output.len()));
                        let parameters = numbers(layer.parameter_count(input));
                        let right = exact(layer, input, &parameters, &x, &dy);
                        for (made, right) in made(layer, input, 2, &parameters, &x, &dy).iter().zip(&right) {
                            let mut pairs = made.iter().zip(right);
                            let is_close = pairs.all(|(made, right)| (f64::from(*made) - right).abs() < 1e-4);
                            assert!(is_close && made.len() == right.len(), "{layer:?} on {input}");
                        }
                        let method = layer.method(layer.checked(input));
                        checked[match method {
                            Method::Pixels(_) => 0,
                            Method::Sliding(_) => 1,
                            Method::Spread => 2,
                        }] += 1;
                    }
                }
            }
        }
        assert!(checked.iter().all(|count| *count >= 4), "{checked:?}");
    }
}
