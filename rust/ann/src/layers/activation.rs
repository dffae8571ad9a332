//! Activation functions.

use mmlrs_core::Result;
use multiversion::multiversion;

use crate::layer::{Backward, Forward, Layer};
use crate::shape::Shape;
use crate::vectors::exponential;

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

macro_rules! elementwise {
    ($name:ident, $x:ident => $value:expr) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
            "x86_64+avx+avx2+bmi1+bmi2+fma",
            "aarch64+neon"
        ))]
        fn $name(values: &mut [f32]) {
            for value in values {
                let $x = *value;
                *value = $value;
            }
        }
    };
    ($name:ident, $dy:ident, $y:ident => $value:expr) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
            "x86_64+avx+avx2+bmi1+bmi2+fma",
            "aarch64+neon"
        ))]
        fn $name(slopes: &mut [f32], results: &[f32]) {
            for (slope, result) in slopes.iter_mut().zip(results) {
                let ($dy, $y) = (*slope, *result);
                *slope = $value;
            }
        }
    };
}

elementwise!(sigmoid, x => 1.0 / (1.0 + exponential(-x)));
elementwise!(sigmoid_slope, dy, y => dy * y * (1.0 - y));
elementwise!(relu, x => x.max(0.0));
elementwise!(relu_slope, dy, y => if y > 0.0 { dy } else { 0.0 });
// Of the smaller exponential, so that large values do not overflow.
elementwise!(tanh, x => {
    let small = exponential(-2.0 * x.abs());
    ((1.0 - small) / (1.0 + small)).copysign(x)
});
elementwise!(tanh_slope, dy, y => dy * (1.0 - y * y));
