//! Factorization machines.

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::Floats;
use crate::vectors::{dot, each_stored};

/// A factorization machine of degree 2 (Rendle 2010).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Factorization {
    intercept: f64,
    linear: Floats,
    /// A row per slot.
    factors: Floats,
    factor_size: usize,
}

impl Factorization {
    pub fn ready(self) -> Result<Self, String> {
        let fits = self.factors.len() == self.linear.len() * self.factor_size;
        if fits { Ok(self) } else { Err("its factors do not fit its slots".to_owned()) }
    }

    pub fn size(&self) -> usize {
        self.linear.len()
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) {
        let mut sums = vec![(0.0, 0.0); self.factor_size];
        each_stored(vector, |slot, value| {
            let factors = &self.factors[slot * self.factor_size..(slot + 1) * self.factor_size];
            for ((sum, squares), factor) in sums.iter_mut().zip(factors) {
                let product = factor * value;
                *sum += product;
                *squares += product * product;
            }
        });
        let pairs: f64 = sums.iter().map(|(sum, squares)| sum * sum - squares).sum();
        out[0] = self.intercept + dot(&self.linear, vector) + 0.5 * pairs;
    }
}
