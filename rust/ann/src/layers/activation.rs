//! Activation functions.

use mmlrs_core::Result;

use crate::elementary;
use crate::layer::{Backward, Forward, Layer};
use crate::shape::Shape;
use crate::vectors::elementwise;

/// A function of each value whose derivative follows from its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// The larger of x and 0.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Layer for Activation {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(input)
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn forward(&self, pass: Forward<'_>) {
        match self {
            Self::Sigmoid => sigmoid(pass.y),
            Self::Relu => relu(pass.y),
            Self::Tanh => tanh(pass.y),
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        match self {
            Self::Sigmoid => sigmoid_slope(pass.dx, pass.y),
            Self::Relu => relu_slope(pass.dx, pass.y),
            Self::Tanh => tanh_slope(pass.dx, pass.y),
        }
    }
}

elementwise!(sigmoid, x => elementary::sigmoid(x));
elementwise!(sigmoid_slope, dy, y => dy * y * (1.0 - y));
// NaN stays NaN, so that a network that diverges is noticed.
elementwise!(relu, x => if x < 0.0 { 0.0 } else { x });
elementwise!(relu_slope, dy, y => if y > 0.0 { dy } else { 0.0 });
elementwise!(tanh, x => elementary::tanh(x));
elementwise!(tanh_slope, dy, y => dy * (1.0 - y * y));
