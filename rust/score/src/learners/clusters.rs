//! Clusters: the nearest center, and mixtures of Gaussians.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array};
use arrow_schema::{DataType, Field};
use mmlrs_core::Result;
use mmlrs_core::vector::VectorBuilder;
use serde::Deserialize;

use super::classifier::nulls_of;
use super::decision::first_largest;
use crate::arrays::vectors_field;
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step, check_size, usable};
use crate::vectors::{dot, fill_dense};

/// The machine precision, which Spark adds to every density.
const PRECISION: f64 = f64::EPSILON;

fn cluster_field(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

/// The number of the nearest center.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The centers, one after the other; for the cosine distance of length 1.
    centers: Floats,
    size: usize,
    cosine: bool,
}

impl Cluster {
    pub fn ready(self) -> Result<Self, String> {
        let fits = self.size > 0 && !self.centers.is_empty() && self.centers.len().is_multiple_of(self.size);
        if fits { Ok(self) } else { Err("its centers do not have the given size".to_owned()) }
    }

    fn nearest(&self, values: &[f64]) -> Result<i32, String> {
        let centers = self.centers.chunks_exact(self.size);
        if !self.cosine {
            let distance = |center: &[f64]| center.iter().zip(values).map(|(c, v)| (c - v) * (c - v)).sum::<f64>();
            return Ok(first_largest(centers.map(|center| -distance(center))) as i32);
        }
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Err("is the zero vector, which has no cosine distance".to_owned());
        }
        let vector = mmlrs_core::vector::VectorRow::Dense(values);
        Ok(first_largest(centers.map(|center| dot(center, vector) / norm)) as i32)
    }
}

impl Step for Cluster {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| cluster_field(name)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let vectors = rows.vectors(0)?;
        rows.by_pieces(|range, piece| {
            let (mut good, mut dense) = (vec![true; range.len()], Vec::new());
            let mut clusters = Vec::with_capacity(range.len());
            for (place, row) in range.enumerate() {
                let cluster = usable(&vectors, row).and_then(|vector| {
                    check_size(vector, self.size)?;
                    fill_dense(vector, &mut dense);
                    self.nearest(&dense)
                });
                clusters.push(cluster.as_ref().map_or(0, |cluster| *cluster));
                if let Err(cause) = cluster {
                    good[place] = false;
                    piece.reject(row, (0, cause))?;
                }
            }
            Ok(vec![Arc::new(Int32Array::new(clusters.into(), nulls_of(good))) as ArrayRef])
        })
    }
}

/// A column of a mixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Prediction,
    Probability,
}

/// A mixture of Gaussians: the probability of each, and the most probable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    roles: Vec<Role>,
    weights: Floats,
    /// The means, one after the other.
    means: Floats,
    /// For each Gaussian, a square matrix R with R'R the inverse of its covariance, one row after the other.
    roots: Floats,
    /// The logarithm of each density at its mean.
    peaks: Floats,
    size: usize,
}

impl Mixture {
    pub fn ready(self) -> Result<Self, String> {
        let (count, size) = (self.weights.len(), self.size);
        let fits = self.means.len() == count * size && self.roots.len() == count * size * size;
        if count == 0 || size == 0 || !fits || self.peaks.len() != count || self.roles.is_empty() {
            return Err("its Gaussians do not have the given size".to_owned());
        }
        Ok(self)
    }

    fn probabilities(&self, values: &[f64], out: &mut Vec<f64>) {
        let size = self.size;
        out.clear();
        for (i, weight) in self.weights.iter().enumerate() {
            let mean = &self.means[i * size..(i + 1) * size];
            let centered: Vec<f64> = values.iter().zip(mean).map(|(v, m)| v - m).collect();
            let vector = mmlrs_core::vector::VectorRow::Dense(&centered);
            let root = &self.roots[i * size * size..(i + 1) * size * size];
            let distance: f64 = root.chunks_exact(size).map(|row| dot(row, vector)).map(|v| v * v).sum();
            out.push(PRECISION + weight * (self.peaks[i] - 0.5 * distance).exp());
        }
        let sum: f64 = out.iter().sum();
        out.iter_mut().for_each(|value| *value /= sum);
    }
}

impl Step for Mixture {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let field = |(role, name): (&Role, &String)| match role {
            Role::Prediction => cluster_field(name),
            Role::Probability => vectors_field(name, Some(self.weights.len())),
        };
        Ok(self.roles.iter().zip(outputs).map(field).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let vectors = rows.vectors(0)?;
        rows.by_pieces(|range, piece| {
            let mut good = vec![true; range.len()];
            let (mut dense, mut shares) = (Vec::new(), Vec::new());
            let mut clusters = Vec::with_capacity(range.len());
            let mut probabilities = VectorBuilder::with_capacity(range.len());
            for (place, row) in range.enumerate() {
                let usable = usable(&vectors, row).and_then(|vector| {
                    check_size(vector, self.size)?;
                    fill_dense(vector, &mut dense);
                    Ok(())
                });
                if let Err(cause) = usable {
                    good[place] = false;
                    piece.reject(row, (0, cause))?;
                    clusters.push(0);
                    probabilities.push_null();
                    continue;
                }
                self.probabilities(&dense, &mut shares);
                clusters.push(first_largest(shares.iter().copied()) as i32);
                probabilities.push_dense(&shares);
            }
            let clusters: ArrayRef = Arc::new(Int32Array::new(clusters.into(), nulls_of(good)));
            let probabilities: ArrayRef = Arc::new(probabilities.finish()?);
            let column = |role: &Role| match role {
                Role::Prediction => clusters.clone(),
                Role::Probability => probabilities.clone(),
            };
            Ok(self.roles.iter().map(column).collect())
        })
    }
}
