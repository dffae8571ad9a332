//! GELU.

use mmlrs_core::Result;

use crate::elementary::{exponential, normal_distribution};
use crate::layer::{Backward, Forward, Layer};
use crate::shape::Shape;
use crate::vectors::elementwise;

/// x times the standard normal distribution function at x (Hendrycks and Gimpel 2016), not its approximation by tanh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gelu;

impl Layer for Gelu {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(input)
    }

    fn forward(&self, pass: Forward<'_>) {
        pass.y.copy_from_slice(pass.x);
        gelu(pass.y);
    }

    fn backward(&self, pass: Backward<'_>) {
        if !pass.dx.is_empty() {
            pass.dx.copy_from_slice(pass.dy);
            gelu_slope(pass.dx, pass.x);
        }
    }
}

/// 1 over the root of 2 pi.
const DENSITY: f32 = 0.398_942_3;

elementwise!(gelu, x => x * normal_distribution(x));
elementwise!(gelu_slope, dy, x => dy * (normal_distribution(x) + x * DENSITY * exponential(-0.5 * x * x)));
