//! The fully connected layer.

use std::ops::Range;

use mmlrs_core::Result;

use crate::layer::{Amount, Backward, Form, Forward, Layer};
use crate::product::{Matrix, MatrixMut, multiply, multiply_by_transpose, transpose_scratch};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::{add_rows, fill_rows};

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

    fn scratch(&self, input: Shape) -> Amount {
        Amount::per_batch(transpose_scratch(input.len()))
    }

    fn weights(&self, input: Shape) -> Vec<Range<usize>> {
        std::iter::once(0..input.len() * self.size).collect()
    }

    /// Uniform numbers within sqrt(6 / inputs) (He et al. 2015), and 0 for `b`.
    fn biases(&self, input: Shape) -> Range<usize> {
        let weights = input.len() * self.size;
        weights..weights + self.size
    }

    fn initialize(&self, input: Shape, random: &mut Random, parameters: &mut [f32]) {
        let limit = (6.0 / input.len() as f64).sqrt();
        let (weights, bias) = parameters.split_at_mut(input.len() * self.size);
        weights.fill_with(|| random.symmetric(limit));
        bias.fill(0.0);
    }

    fn form(&self) -> Form {
        Form::Affine
    }

    fn replaces_gradient(&self) -> bool {
        true
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { input, rows, parameters, x, y, .. } = pass;
        let (weights, bias) = parameters.split_at(input.len() * self.size);
        fill_rows(y, bias);
        let weights = Matrix::new(weights, input.len(), self.size);
        multiply(Matrix::new(x, rows, input.len()), weights, &mut MatrixMut::new(y, rows, self.size), true);
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { input, rows, parameters, x, dy, dx, gradient, replaces, scratch, .. } = pass;
        let (inputs, size) = (input.len(), self.size);
        let (weights, bias) = gradient.split_at_mut(inputs * size);
        let slopes = Matrix::new(dy, rows, size);
        let turned = Matrix::new(x, rows, inputs).transposed();
        multiply(turned, slopes, &mut MatrixMut::new(weights, inputs, size), !replaces);
        if replaces {
            bias.fill(0.0);
        }
        add_rows(bias, dy);
        if !dx.is_empty() {
            let weights = Matrix::new(&parameters[..inputs * size], inputs, size);
            multiply_by_transpose(slopes, weights, dx, scratch);
        }
    }
}
