//! Linear models.

use mmlrs_core::vector::VectorRow;
use serde::Deserialize;

use crate::numbers::Floats;

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

/// The dot product of a dense and any vector of the same size.
pub fn dot(weights: &[f64], vector: VectorRow<'_>) -> f64 {
    match vector {
        VectorRow::Dense(values) => {
            let (mut sums, mut total) = ([0.0; 4], 0.0);
            let (left, left_rest) = weights.as_chunks::<4>();
            let (right, right_rest) = values.as_chunks::<4>();
            for (l, r) in left.iter().zip(right) {
                for i in 0..4 {
                    sums[i] += l[i] * r[i];
                }
            }
            for (l, r) in left_rest.iter().zip(right_rest) {
                total += l * r;
            }
            (sums[0] + sums[1]) + (sums[2] + sums[3]) + total
        }
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().zip(values).map(|(index, value)| weights[*index as usize] * value).sum()
        }
    }
}

/// Calls `give` with each slot of a vector that is stored, and its value.
pub fn each_stored(vector: VectorRow<'_>, mut give: impl FnMut(usize, f64)) {
    match vector {
        VectorRow::Dense(values) => values.iter().enumerate().for_each(|(slot, value)| give(slot, *value)),
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().zip(values).for_each(|(slot, value)| give(*slot as usize, *value));
        }
    }
}
