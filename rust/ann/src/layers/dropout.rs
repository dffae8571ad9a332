//! Dropout.

use mmlrs_core::Result;

use crate::layer::{Amount, Backward, Forward, Layer, Mode};
use crate::random::Random;
use crate::shape::{Shape, unfit};

/// Sets a share of the values to 0 while a network is trained, and scales the others so that their mean stays (Srivastava et al. 2014,
/// inverted). A network that is used keeps all values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    /// The share, from 0 to below 1.
    pub share: f32,
    /// A number that tells several dropouts of a network apart.
    pub number: u64,
}

impl Layer for Dropout {
    fn output(&self, input: Shape) -> Result<Shape> {
        if !(0.0..1.0).contains(&self.share) {
            return Err(unfit(format!("the share of a dropout must be from 0 to below 1, got {}", self.share)));
        }
        Ok(input)
    }

    fn memory(&self, input: Shape) -> Amount {
        Amount::per_row(input.len())
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn forward(&self, pass: Forward<'_>) {
        let Mode::Training { seed } = pass.mode else {
            return;
        };
        let mut random = Random::new(seed ^ self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kept = 1.0 / (1.0 - self.share);
        for (value, factor) in pass.y.iter_mut().zip(pass.memory.iter_mut()) {
            *factor = if random.unit() < f64::from(self.share) { 0.0 } else { kept };
            *value *= *factor;
        }
    }

    fn backward(&self, pass: Backward<'_>) {
        if matches!(pass.mode, Mode::Training { .. }) {
            pass.dx.iter_mut().zip(pass.memory).for_each(|(dx, factor)| *dx *= factor);
        }
    }
}
