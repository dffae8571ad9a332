//! Linear models.

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::Floats;
use crate::vectors::dot;

/// One or more linear functions of the vector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Linear {
    /// The coefficients of each function, one function after the other.
    coefficients: Floats,
    intercepts: Floats,
    /// Number of slots of the vectors.
    pub size: usize,
}

impl Linear {
    pub fn ready(self) -> Result<Self, String> {
        if self.intercepts.is_empty() || self.coefficients.len() != self.intercepts.len() * self.size {
            return Err(format!(
                "it has {} coefficients for {} functions of {} slots",
                self.coefficients.len(),
                self.intercepts.len(),
                self.size
            ));
        }
        Ok(self)
    }

    pub fn outputs(&self) -> usize {
        self.intercepts.len()
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) {
        for (i, (out, intercept)) in out.iter_mut().zip(&*self.intercepts).enumerate() {
            *out = dot(&self.coefficients[i * self.size..(i + 1) * self.size], vector) + intercept;
        }
    }
}
