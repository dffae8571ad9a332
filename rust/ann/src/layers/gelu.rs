//! GELU.

use mmlrs_core::Result;

use crate::layer::{Backward, Forward, Layer};
use crate::shape::Shape;

/// x times the standard normal distribution function at x (Hendrycks and Gimpel 2016), exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gelu;

impl Layer for Gelu {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(input)
    }

    fn forward(&self, pass: Forward<'_>) {
        pass.y.iter_mut().zip(pass.x).for_each(|(y, x)| *y = x * distribution(*x));
    }

    fn backward(&self, pass: Backward<'_>) {
        for ((dx, dy), x) in pass.dx.iter_mut().zip(pass.dy).zip(pass.x) {
            let density =
                (-0.5 * x * x).exp() * std::f32::consts::FRAC_1_SQRT_2 * std::f32::consts::FRAC_2_SQRT_PI / 2.0;
            *dx = dy * (distribution(*x) + x * density);
        }
    }
}

/// The standard normal distribution function, from the error function of Abramowitz and Stegun (7.1.26), whose error is below 1.5e-7.
fn distribution(x: f32) -> f32 {
    let z = f64::from(x).abs() * std::f64::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly =
        t * (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    let tail = 0.5 * poly * (-z * z).exp();
    (if x >= 0.0 { 1.0 - tail } else { tail }) as f32
}

#[cfg(test)]
mod tests {
    use super::distribution;

    #[test]
    fn the_distribution_is_that_of_the_tables() {
        for (x, expected) in
            [(0.0, 0.5), (1.0, 0.841_344_7), (-1.0, 0.158_655_3), (1.96, 0.975_002_1), (-4.0, 3.167e-5)]
        {
            assert!((distribution(x) - expected).abs() < 2e-7, "{x}");
        }
    }
}
