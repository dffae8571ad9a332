//! Multilayer perceptrons.

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::Floats;
use crate::vectors::dot;

/// The function between two layers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Activation {
    #[default]
    Sigmoid,
    Tanh,
    Relu,
    Identity,
}

impl Activation {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-value).exp()),
            Self::Tanh => value.tanh(),
            Self::Relu => value.max(0.0),
            Self::Identity => value,
        }
    }
}

/// Dense layers with a function between them, by default a sigmoid. The raw values are those of the last layer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perceptron {
    /// Number of units of each layer, the input first.
    layers: Vec<usize>,
    /// For each layer, the weights of each unit, one unit after the other; then the biases of its units.
    weights: Floats,
    #[serde(default)]
    activation: Activation,
}

impl Perceptron {
    pub fn ready(self) -> Result<Self, String> {
        let needed: Option<usize> = self
            .layers
            .windows(2)
            .try_fold(0_usize, |sum, pair| sum.checked_add(pair[0].checked_add(1)?.checked_mul(pair[1])?));
        if self.layers.len() < 2 || self.layers.contains(&0) || needed != Some(self.weights.len()) {
            return Err("its weights do not fit its layers".to_owned());
        }
        Ok(self)
    }

    pub fn size(&self) -> usize {
        self.layers[0]
    }

    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1]
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) {
        let mut rest: &[f64] = &self.weights;
        let mut values: Vec<f64> = Vec::new();
        for (layer, pair) in self.layers.windows(2).enumerate() {
            let (matrix, after) = rest.split_at(pair[0] * pair[1]);
            let (biases, after) = after.split_at(pair[1]);
            rest = after;
            let input = if layer == 0 { vector } else { VectorRow::Dense(&values) };
            let mut next: Vec<f64> =
                matrix.chunks_exact(pair[0]).zip(biases).map(|(row, bias)| dot(row, input) + bias).collect();
            if layer + 2 < self.layers.len() {
                for value in &mut next {
                    *value = self.activation.of(*value);
                }
            }
            values = next;
        }
        out.copy_from_slice(&values);
    }
}
