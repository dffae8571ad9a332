//! What a layer is.

use std::fmt::Debug;

use mmlrs_core::Result;

use crate::random::Random;
use crate::shape::Shape;

/// Whether a network is trained or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Some layers work differently while a network is trained, dropout for example. The seed differs from batch to batch.
    Training {
        /// Seed of the random numbers of this batch.
        seed: u64,
    },
    /// The network is used.
    Scoring,
}

/// A layer: a function of each row with parameters, and its derivatives. A layer has no state. Its parameters are a part of the
/// network's vector of parameters.
pub trait Layer: Debug + Send + Sync {
    /// The shape of a row after the layer, or an error if the layer does not accept such rows.
    fn output(&self, input: Shape) -> Result<Shape>;

    /// Number of parameters.
    fn parameter_count(&self, _input: Shape) -> usize {
        0
    }

    /// Number of parameters that are weights, which regularization makes small. They come first.
    fn weight_count(&self, _input: Shape) -> usize {
        0
    }

    /// Number of values per row that the layer keeps from the forward to the backward pass, besides its input and output.
    fn memory_per_row(&self, _input: Shape) -> usize {
        0
    }

    /// Number of values that the layer needs while it works, whatever the number of rows.
    fn scratch(&self, _input: Shape) -> usize {
        0
    }

    /// Whether the layer replaces its input by its output, which has the same shape. Then the forward pass finds its input in
    /// `y`, the backward pass finds the derivative of the output in `dx`, and `x` and `dy` are empty.
    fn is_in_place(&self) -> bool {
        false
    }

    /// Writes initial parameters.
    fn initialize(&self, _input: Shape, _random: &mut Random, _parameters: &mut [f32]) {}

    /// Computes `y` from `x`.
    fn forward(&self, pass: Forward<'_>);

    /// Computes the derivative of the loss by `x` from that by `y`.
    fn backward(&self, pass: Backward<'_>);

    /// Adds the derivative of the loss by the parameters to `gradient`.
    fn gradient(&self, _pass: Gradient<'_>) {}
}

/// A forward pass of a batch.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The shape of a row before the layer.
    pub input: Shape,
    /// Number of rows.
    pub rows: usize,
    /// Whether the network is trained.
    pub mode: Mode,
    /// The layer's parameters.
    pub parameters: &'a [f32],
    /// The rows before the layer.
    pub x: &'a [f32],
    /// The rows after the layer, to write.
    pub y: &'a mut [f32],
    /// What the layer keeps for the backward pass.
    pub memory: &'a mut [f32],
    /// Values that the layer may use while it works.
    pub scratch: &'a mut [f32],
}

/// A backward pass of a batch.
#[derive(Debug)]
pub struct Backward<'a> {
    /// The shape of a row before the layer.
    pub input: Shape,
    /// Number of rows.
    pub rows: usize,
    /// The layer's parameters.
    pub parameters: &'a [f32],
    /// The rows before the layer.
    pub x: &'a [f32],
    /// The rows after the layer.
    pub y: &'a [f32],
    /// The derivative of the loss by the rows after the layer.
    pub dy: &'a [f32],
    /// The derivative of the loss by the rows before the layer, to write.
    pub dx: &'a mut [f32],
    /// What the layer kept in the forward pass.
    pub memory: &'a [f32],
    /// Values that the layer may use while it works.
    pub scratch: &'a mut [f32],
}

/// The derivative by the parameters, for a batch.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// The shape of a row before the layer.
    pub input: Shape,
    /// Number of rows.
    pub rows: usize,
    /// The layer's parameters.
    pub parameters: &'a [f32],
    /// The rows before the layer.
    pub x: &'a [f32],
    /// The derivative of the loss by the rows after the layer.
    pub dy: &'a [f32],
    /// The derivative of the loss by the parameters, to add to.
    pub gradient: &'a mut [f32],
    /// What the layer kept in the forward pass.
    pub memory: &'a [f32],
    /// Values that the layer may use while it works.
    pub scratch: &'a mut [f32],
}
