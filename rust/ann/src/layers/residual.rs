//! Residual connections.

use std::ops::Range;
use std::sync::Arc;

use mmlrs_core::Result;

use crate::chain::{Chain, Pass};
use crate::layer::{Amount, Backward, Forward, Layer};
use crate::random::Random;
use crate::shape::{Shape, unfit};
use crate::vectors::add;

/// The input plus what a list of layers makes of it (He et al. 2016). The layers' parameters follow each other.
#[derive(Debug, Clone)]
pub struct Residual {
    chain: Chain,
}

impl Residual {
    /// Connects layers that read rows of this shape.
    ///
    /// # Errors
    /// A layer does not accept what the layer before it returns, or the last one returns another shape.
    pub fn new(input: Shape, layers: Vec<Arc<dyn Layer>>) -> Result<Self> {
        let chain = Chain::new(input, layers)?;
        let output = chain.output();
        if output != input {
            return Err(unfit(format!(
                "the layers of a residual must return the shape that they read, {input}, got {output}"
            )));
        }
        Ok(Self { chain })
    }
}

impl Layer for Residual {
    fn output(&self, input: Shape) -> Result<Shape> {
        if input == self.chain.input() {
            Ok(input)
        } else {
            Err(unfit(format!("a residual made for {} does not read {input}", self.chain.input())))
        }
    }

    fn parameter_count(&self, _input: Shape) -> usize {
        self.chain.parameter_count()
    }

    fn memory(&self, _input: Shape) -> Amount {
        self.chain.kept()
    }

    fn scratch(&self, _input: Shape) -> Amount {
        self.chain.work()
    }

    fn initialize(&self, _input: Shape, random: &mut Random, parameters: &mut [f32]) {
        self.chain.initialize(random, parameters);
    }

    fn weights(&self, _input: Shape) -> Vec<Range<usize>> {
        self.chain.weights()
    }

    fn statistics(&self, _input: Shape) -> Vec<Range<usize>> {
        self.chain.statistics()
    }

    fn settle(&self, _input: Shape, parameters: &mut [f32], gradient: &[f32]) {
        self.chain.settle(parameters, gradient);
    }

    fn replaces_gradient(&self) -> bool {
        true
    }

    fn forward(&self, pass: Forward<'_>) {
        let Forward { rows, mode, parameters, x, y, memory, scratch, .. } = pass;
        self.chain.forward(&Pass { rows, mode, scale: 1.0, parameters, x, replaces: false }, memory, scratch);
        y.copy_from_slice(x);
        add(y, &memory[self.chain.outputs(rows)]);
    }

    fn backward(&self, pass: Backward<'_>) {
        let Backward { rows, mode, scale, parameters, x, dy, dx, gradient, replaces, memory, scratch, .. } = pass;
        scratch[..dy.len()].copy_from_slice(dy);
        let inner = Pass { rows, mode, scale, parameters, x, replaces };
        let slopes = self.chain.backward(&inner, memory, scratch, gradient, !dx.is_empty());
        if !dx.is_empty() {
            dx.copy_from_slice(dy);
            add(dx, slopes);
        }
    }
}
