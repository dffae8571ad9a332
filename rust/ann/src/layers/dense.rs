//! The fully connected layer.

use mmlrs_core::Result;

use crate::layer::{Backward, Forward, Gradient, Layer};
use crate::product::{Matrix, MatrixMut, multiply};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::add;

/// A fully connected layer: `y = x W + b`. The parameters are `W`, input by output, row by row, then `b`. Spark's multilayer
/// perceptron stores the same numbers in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dense {
    /// Number of outputs.
    pub size: usize,
}

impl Layer for Dense {
    fn output(&self, input: Shape) -> Result<Shape> {
        match input {
            Shape::Vector(_) if self.size > 0 => Ok(Shape::Vector(self.size)),
            Shape::Vector(_) => Err(unfit("a dense layer must have at least one output")),
            Shape::Image { .. } => {
                Err(unfit(format!("a dense layer reads vectors, got {input}; put Flatten before it")))
            }
        }
    }

    fn parameter_count(&self, input: Shape) -> usize {
        input.len().saturating_add(1).saturating_mul(self.size)
    }

    fn weight_count(&self, input: Shape) -> usize {
        input.len() * self.size
    }

    /// Uniform numbers within sqrt(6 / inputs) (He et al. 2015), and 0 for `b`.
    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let limit = (6.0 / input.len() as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(input.len() * self.size);
        weights.iter_mut().for_each(|weight| *weight = random.symmetric(limit));
        bias.fill(0.0);
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, rows, parameters, x, y, .. } = pass;
        let (weights, bias) = parameters.split_at(input.len() * self.size);
        y.chunks_exact_mut(self.size).for_each(|row| row.copy_from_slice(bias));
        let product = MatrixMut::new(y, rows, self.size);
        multiply(Matrix::new(x, rows, input.len()), Matrix::new(weights, input.len(), self.size), product, true);
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, rows, parameters, dy, dx, .. } = pass;
        let weights = Matrix::new(&parameters[..input.len() * self.size], input.len(), self.size);
        multiply(Matrix::new(dy, rows, self.size), weights.transposed(), MatrixMut::new(dx, rows, input.len()), false);
    }

    fn gradient(&self, pass: Gradient<'_>) {
        let Gradient { input, rows, x, dy, gradient, .. } = pass;
        let (weights, bias) = gradient.split_at_mut(input.len() * self.size);
        let turned = Matrix::new(x, rows, input.len()).transposed();
        multiply(turned, Matrix::new(dy, rows, self.size), MatrixMut::new(weights, input.len(), self.size), true);
        dy.chunks_exact(self.size).for_each(|row| add(bias, row));
    }
}
