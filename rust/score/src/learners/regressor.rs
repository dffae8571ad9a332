//! Regressors.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_buffer::NullBuffer;
use arrow_schema::Field;
use mmlrs_core::Result;
use mmlrs_core::vector::{VectorBuilder, Vectors};
use serde::Deserialize;

use super::classifier::nulls_of;
use super::link::Link;
use super::model::Model;
use crate::arrays::{number_field, vectors_field};
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step};

/// A column of a regressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The mean: the inverse link of the first raw value.
    Prediction,
    /// The first raw value, with the offset.
    LinkPrediction,
    /// The second raw value.
    Variance,
    /// The leaf of each tree, as a vector.
    Leaf,
    /// The leaf of the only tree.
    LeafNumber,
}

/// A model with one raw value, as the regressors of Spark ML are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regressor {
    roles: Vec<Role>,
    model: Model,
    #[serde(default = "identity")]
    link: Link,
    /// Whether a second column holds an offset to add to the raw value.
    #[serde(default)]
    offset: bool,
    /// The smallest and the largest mean.
    #[serde(default)]
    bounds: Option<Floats>,
}

fn identity() -> Link {
    Link::Identity
}

impl Regressor {
    pub fn ready(self) -> Result<Self, String> {
        let model = self.model.ready()?;
        let second = self.roles.contains(&Role::Variance);
        if self.roles.is_empty() || model.outputs() < 1 + usize::from(second) {
            return Err("its model has too few values".to_owned());
        }
        let leaves = self.roles.iter().any(|role| matches!(role, Role::Leaf | Role::LeafNumber));
        if leaves && !matches!(model, Model::Forest(_)) {
            return Err("only trees have leaves".to_owned());
        }
        if self.bounds.as_ref().is_some_and(|bounds| bounds.len() != 2 || bounds[0] > bounds[1]) {
            return Err("its bounds are not two ascending numbers".to_owned());
        }
        Ok(Self { model, ..self })
    }

    fn mean(&self, raw: f64) -> f64 {
        let mean = self.link.mean(raw);
        match &self.bounds {
            Some(bounds) if !mean.is_nan() => mean.clamp(bounds[0], bounds[1]),
            _ => mean,
        }
    }
}

impl Step for Regressor {
    fn arity(&self) -> Option<usize> {
        Some(1 + usize::from(self.offset))
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let field = |(role, name): (&Role, &String)| match role {
            Role::Leaf => vectors_field(name, None),
            _ => number_field(name),
        };
        Ok(self.roles.iter().zip(outputs).map(field).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let (vectors, width) = (rows.vectors(0)?, self.model.outputs());
        let offsets = if self.offset { Some(rows.doubles(1)?) } else { None };
        rows.by_pieces(|range, piece| {
            let start = range.start;
            let (mut values, mut good) = self.model.scored(&vectors, range.clone(), piece)?;
            if let Some(offsets) = &offsets {
                for place in 0..range.len() {
                    if offsets.is_null(start + place) && good[place] {
                        good[place] = false;
                        piece.reject(start + place, (1, "is null".to_owned()))?;
                    }
                    values[place * width] += offsets.value(start + place);
                }
            }
            let nulls = nulls_of(good);
            let numbers = |value: &dyn Fn(&[f64]) -> f64| -> ArrayRef {
                let column: Vec<f64> = values.chunks_exact(width).map(value).collect();
                Arc::new(Float64Array::new(column.into(), nulls.clone()))
            };
            self.roles
                .iter()
                .map(|role| {
                    Ok(match role {
                        Role::Prediction => numbers(&|row| self.mean(row[0])),
                        Role::LinkPrediction => numbers(&|row| row[0]),
                        Role::Variance => numbers(&|row| row[1]),
                        Role::Leaf => self.leaves(&vectors, range.clone(), nulls.as_ref())?,
                        Role::LeafNumber => {
                            let leaves = range.clone().map(|row| self.leaves_of(&vectors, row).first().copied());
                            let leaves: Vec<f64> = leaves.map(std::option::Option::unwrap_or_default).collect();
                            Arc::new(Float64Array::new(leaves.into(), nulls.clone()))
                        }
                    })
                })
                .collect()
        })
    }
}

impl Regressor {
    /// The leaf of each tree for a row.
    fn leaves_of(&self, vectors: &Vectors, row: usize) -> Vec<f64> {
        match (&self.model, vectors.row(row)) {
            (Model::Forest(forest), Some(vector)) => forest.leaves(vector),
            _ => Vec::new(),
        }
    }

    fn leaves(&self, vectors: &Vectors, range: Range<usize>, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
        let mut out = VectorBuilder::with_capacity(range.len());
        for (place, row) in range.enumerate() {
            if nulls.is_none_or(|nulls| nulls.is_valid(place)) {
                out.push_dense(&self.leaves_of(vectors, row));
            } else {
                out.push_null();
            }
        }
        Ok(Arc::new(out.finish()?))
    }
}
