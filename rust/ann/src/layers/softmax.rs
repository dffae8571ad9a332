//! Softmax.

use mmlrs_core::Result;

use crate::layer::{Amount, Backward, Forward, Layer};
use crate::shape::Shape;
use crate::vectors::{dot, softmax};

/// exp(x) over the sum of the exponentials: of a vector, or of the channels of each pixel. After the last layer of a classifier it is
/// part of the loss, [`Loss::CrossEntropy`](crate::Loss::CrossEntropy), not a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax;

impl Layer for Softmax {
    fn output(&self, input: Shape) -> Result<Shape> {
        Ok(input)
    }

    fn scratch(&self, input: Shape) -> Amount {
        Amount::per_batch(input.channels())
    }

    fn is_in_place(&self) -> bool {
        true
    }

    fn reads_output(&self) -> bool {
        true
    }

    fn forward(&self, pass: Forward<'_>) {
        softmax(pass.y, pass.input.channels(), pass.scratch);
    }

    fn backward(&self, pass: Backward<'_>) {
        let width = pass.input.channels();
        for (slopes, results) in pass.dx.chunks_exact_mut(width).zip(pass.y.chunks_exact(width)) {
            let mean = dot(slopes, results) as f32;
            slopes.iter_mut().zip(results).for_each(|(slope, result)| *slope = result * (*slope - mean));
        }
    }
}
