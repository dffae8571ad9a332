//! Naive Bayes.

use mmlrs_core::double_text;
use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::Floats;
use crate::vectors::{dot, each_stored};

/// The variants of Spark's `NaiveBayes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Multinomial,
    Complement,
    Bernoulli,
    Gaussian,
}

/// The logarithms of class and feature probabilities; for Gaussian Bayes the means and variances.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NaiveBayes {
    variant: Kind,
    pi: Floats,
    /// A row per class.
    theta: Floats,
    /// A row per class: the variances of Gaussian Bayes, else empty.
    sigma: Floats,
    pub size: usize,
    /// Bernoulli: `theta - log(1 - exp(theta))`, and the sum of `log(1 - exp(theta))` of each class. Gaussian: the sum of the
    /// logarithms of the variances of each class.
    #[serde(skip)]
    weights: Vec<f64>,
    #[serde(skip)]
    sums: Vec<f64>,
}

impl NaiveBayes {
    pub fn ready(mut self) -> Result<Self, String> {
        let cells = self.pi.len() * self.size;
        let gaussian = self.variant == Kind::Gaussian;
        if self.pi.is_empty() || self.size == 0 || self.theta.len() != cells || (gaussian && self.sigma.len() != cells)
        {
            return Err("its matrices do not fit its classes".to_owned());
        }
        match self.variant {
            Kind::Bernoulli => {
                let negative: Vec<f64> = self.theta.iter().map(|theta| (1.0 - theta.exp()).ln()).collect();
                self.weights = self.theta.iter().zip(&negative).map(|(theta, negative)| theta - negative).collect();
                self.sums = negative.chunks_exact(self.size).map(|row| row.iter().sum()).collect();
            }
            Kind::Gaussian => {
                self.sums = self.sigma.chunks_exact(self.size).map(|row| row.iter().map(|v| v.ln()).sum()).collect();
            }
            Kind::Multinomial | Kind::Complement => {}
        }
        Ok(self)
    }

    pub fn outputs(&self) -> usize {
        self.pi.len()
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) -> Result<(), String> {
        let row = |matrix: &'_ [f64], class: usize| dot(&matrix[class * self.size..(class + 1) * self.size], vector);
        match self.variant {
            Kind::Multinomial => {
                self.check(vector, "numbers that are not negative", |value| value >= 0.0)?;
                (0..out.len()).for_each(|class| out[class] = row(&self.theta, class) + self.pi[class]);
            }
            Kind::Complement => {
                self.check(vector, "numbers that are not negative", |value| value >= 0.0)?;
                (0..out.len()).for_each(|class| out[class] = row(&self.theta, class));
                let largest = out.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
                let total = out.iter().map(|value| (value - largest).exp()).sum::<f64>().ln() + largest;
                out.iter_mut().for_each(|value| *value -= total);
            }
            Kind::Bernoulli => {
                self.check(vector, "0 or 1", |value| value == 0.0 || value == 1.0)?;
                (0..out.len()).for_each(|c| out[c] = row(&self.weights, c) + self.pi[c] + self.sums[c]);
            }
            Kind::Gaussian => {
                let mut dense = Vec::with_capacity(self.size);
                crate::vectors::fill_dense(vector, &mut dense);
                for (class, out) in out.iter_mut().enumerate() {
                    let cells = class * self.size..(class + 1) * self.size;
                    let (theta, sigma) = (&self.theta[cells.clone()], &self.sigma[cells]);
                    let distance: f64 =
                        dense.iter().zip(theta).zip(sigma).map(|((x, mean), var)| (x - mean) * (x - mean) / var).sum();
                    *out = self.pi[class] - f64::midpoint(distance, self.sums[class]);
                }
            }
        }
        Ok(())
    }

    /// Returns an error for the first value that the variant does not allow.
    fn check(&self, vector: VectorRow<'_>, allowed: &str, fits: impl Fn(f64) -> bool) -> Result<(), String> {
        let mut odd = None;
        each_stored(vector, |slot, value| {
            if !fits(value) {
                odd.get_or_insert((slot, value));
            }
        });
        odd.map_or(Ok(()), |(slot, value)| {
            Err(format!("has the value {} in slot {slot}; this naive Bayes model needs {allowed}", double_text(value)))
        })
    }
}
