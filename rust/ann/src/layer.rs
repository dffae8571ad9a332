//! What a layer is.

use std::fmt::Debug;
use std::ops::Range;

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

/// A number of values: some for each row of a batch, and some for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Amount {
    /// Number of values for each row.
    pub per_row: usize,
    /// Number of values whatever the number of rows.
    pub per_batch: usize,
}

impl Amount {
    /// So many values for each row.
    pub fn per_row(values: usize) -> Self {
        Self { per_row: values, per_batch: 0 }
    }

    /// So many values for a batch.
    pub fn per_batch(values: usize) -> Self {
        Self { per_row: 0, per_batch: values }
    }

    /// Number of values for a batch of so many rows.
    pub fn of(self, rows: usize) -> usize {
        self.per_row.saturating_mul(rows).saturating_add(self.per_batch)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            per_row: self.per_row.saturating_add(other.per_row),
            per_batch: self.per_batch.saturating_add(other.per_batch),
        }
    }

    /// Enough for either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { per_row: self.per_row.max(other.per_row), per_batch: self.per_batch.max(other.per_batch) }
    }
}

/// What a layer computes, for solvers that work with some layers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `x W + b`. The parameters are `W`, input by output, row by row, then `b`.
    Affine,
    /// Its input, in another shape.
    Same,
    /// Anything else.
    Other,
}

/// A layer: a function of the rows of a batch with parameters, and its derivatives. A layer has no state. Its parameters are a part
/// of the network's vector of parameters. All memory is given to it: it allocates nothing while it works, except in a product of
/// matrices.
pub trait Layer: Debug + Send + Sync {
    /// The shape of a row after the layer, or an error if the layer does not accept such rows. The other methods are only called
    /// with shapes that it accepts.
    fn output(&self, input: Shape) -> Result<Shape>;

    /// Number of parameters. Saturates, so that the network can refuse too many.
    fn parameter_count(&self, _input: Shape) -> usize {
        0
    }

    /// The parameters that are weights, which regularization makes small; biases, for example, are not.
    fn weights(&self, _input: Shape) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// The parameters that are added to the values of the output, one to each. None by default.
    fn biases(&self, _input: Shape) -> Range<usize> {
        0..0
    }

    /// Number of values that the layer keeps from the forward to the backward pass, besides its input and output.
    fn memory(&self, _input: Shape) -> Amount {
        Amount::default()
    }

    /// Number of values that the layer needs while it works. It finds any values in them.
    fn scratch(&self, _input: Shape) -> Amount {
        Amount::default()
    }

    /// Whether the layer replaces its input by its output, which has the same number of values. Then the forward pass finds its
    /// input in `y`, the backward pass finds the derivative of the output in `dx`, and `x` and `dy` are empty.
    fn is_in_place(&self) -> bool {
        false
    }

    /// Whether the backward pass reads `y`. If not, `y` is empty, and the next layer may replace the output.
    fn reads_output(&self) -> bool {
        false
    }

    /// Whether the backward pass can write the gradient instead of adding to it, see [`Backward::replaces`]. The memory of a large
    /// gradient is slow; a layer whose derivatives are written once need not read it.
    fn replaces_gradient(&self) -> bool {
        false
    }

    /// Writes initial parameters; they are 0 before.
    fn initialize(&self, _input: Shape, _random: &mut Random, _parameters: &mut [f32]) {}

    /// The parameters that are not trained but measured, such as the running mean of a batch normalization. The backward pass adds
    /// to their places in the gradient what [`Self::settle`] needs, not derivatives. Optimizers do not touch them.
    fn statistics(&self, _input: Shape) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Updates the statistics from the gradient, the sum over all batches of a step.
    fn settle(&self, _input: Shape, _parameters: &mut [f32], _gradient: &[f32]) {}

    /// What the layer computes.
    fn form(&self) -> Form {
        Form::Other
    }

    /// Computes `y` from `x`.
    fn forward(&self, pass: Forward<'_>);

    /// Computes the derivative of the loss by `x` from that by `y`, and adds that by the parameters to `gradient`, or replaces it.
    fn backward(&self, pass: Backward<'_>);
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
    /// Whether the network is trained, as in the forward pass.
    pub mode: Mode,
    /// The factor in the derivatives, such as 1 over the number of rows of all batches.
    pub scale: f32,
    /// The layer's parameters.
    pub parameters: &'a [f32],
    /// The rows before the layer.
    pub x: &'a [f32],
    /// The rows after the layer, if [`Layer::reads_output`].
    pub y: &'a [f32],
    /// The derivative of the loss by the rows after the layer.
    pub dy: &'a [f32],
    /// The derivative of the loss by the rows before the layer, to write. Empty if nothing needs it.
    pub dx: &'a mut [f32],
    /// The derivative of the loss by the parameters, to add to.
    pub gradient: &'a mut [f32],
    /// Whether `gradient` has any values, which the derivative replaces. Never set unless [`Layer::replaces_gradient`].
    pub replaces: bool,
    /// What the layer kept in the forward pass.
    pub memory: &'a [f32],
    /// Values that the layer may use while it works.
    pub scratch: &'a mut [f32],
}
