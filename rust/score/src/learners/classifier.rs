//! Classifiers.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::Float64Builder;
use arrow_buffer::NullBuffer;
use arrow_schema::Field;
use mmlrs_core::Result;
use mmlrs_core::vector::{VectorBuilder, Vectors};
use serde::Deserialize;

use super::decision::Decision;
use super::link::Probabilities;
use super::model::Model;
use crate::arrays::{number_field, vectors_field};
use crate::step::{Computed, Inputs, Step};

/// A column of a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The raw values of the classes.
    Raw,
    /// Their probabilities.
    Probability,
    /// The number of the predicted class.
    Prediction,
    /// The leaf of each tree, as a vector.
    Leaf,
    /// The leaf of the only tree.
    LeafNumber,
}

/// A model with a raw value per class, as the classifiers of Spark ML are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// The columns to add.
    roles: Vec<Role>,
    model: Model,
    /// Whether the model's only value is the margin `m` of class 1, and the raw values are `-m` and `m`.
    #[serde(default)]
    margin: bool,
    probabilities: Probabilities,
    /// What the raw values are divided by before the probabilities follow from them.
    #[serde(default = "one")]
    divisor: f64,
    decision: Decision,
}

fn one() -> f64 {
    1.0
}

impl Classifier {
    pub fn ready(self) -> Result<Self, String> {
        let model = self.model.ready()?;
        let classifier = Self { model, ..self };
        if classifier.roles.is_empty() {
            return Err("it has no columns".to_owned());
        }
        if classifier.margin && classifier.model.outputs() != 1 {
            return Err("a margin needs a model with one value".to_owned());
        }
        let two = matches!(classifier.probabilities, Probabilities::Logistic | Probabilities::LogisticTwice);
        if two && classifier.classes() != 2 {
            return Err("a logistic function needs two classes".to_owned());
        }
        let leaves = classifier.roles.iter().any(|role| matches!(role, Role::Leaf | Role::LeafNumber));
        if leaves && !matches!(classifier.model, Model::Forest(_)) {
            return Err("only trees have leaves".to_owned());
        }
        classifier.decision.check(classifier.classes())?;
        Ok(classifier)
    }

    /// The leaf of each tree for a row.
    fn leaves(&self, vectors: &Vectors, row: usize) -> Vec<f64> {
        match (&self.model, vectors.row(row)) {
            (Model::Forest(forest), Some(vector)) => forest.leaves(vector),
            _ => Vec::new(),
        }
    }

    fn classes(&self) -> usize {
        if self.margin { 2 } else { self.model.outputs() }
    }
}

impl Step for Classifier {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let field = |(role, name): (&Role, &String)| match role {
            Role::Raw | Role::Probability => vectors_field(name, Some(self.classes())),
            Role::Prediction | Role::LeafNumber => number_field(name),
            Role::Leaf => vectors_field(name, None),
        };
        Ok(self.roles.iter().zip(outputs).map(field).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let (vectors, width, classes) = (rows.vectors(0)?, self.model.outputs(), self.classes());
        rows.by_pieces(|range, piece| {
            let start = range.start;
            let (values, good) = self.model.scored(&vectors, range.clone(), piece)?;
            let mut columns: Vec<Building> = self.roles.iter().map(|role| Building::new(*role, range.len())).collect();
            let (mut raw, mut probabilities) = (vec![0.0; classes], vec![0.0; classes]);
            for place in 0..range.len() {
                if !good[place] {
                    columns.iter_mut().for_each(Building::push_null);
                    continue;
                }
                let row = &values[place * width..(place + 1) * width];
                if self.margin {
                    raw.copy_from_slice(&[-row[0], row[0]]);
                } else {
                    raw.copy_from_slice(row);
                }
                probabilities.iter_mut().zip(&raw).for_each(|(value, raw)| *value = raw / self.divisor);
                self.probabilities.apply(&mut probabilities);
                for column in &mut columns {
                    match column {
                        Building::Vectors(Role::Raw, out) => out.push_dense(&raw),
                        Building::Vectors(Role::Probability, out) => out.push_dense(&probabilities),
                        Building::Vectors(_, out) => out.push_dense(&self.leaves(&vectors, start + place)),
                        Building::Numbers(Role::LeafNumber, out) => {
                            out.append_option(self.leaves(&vectors, start + place).first().copied());
                        }
                        Building::Numbers(_, out) => {
                            out.append_value(self.decision.class(&raw, &probabilities));
                        }
                    }
                }
            }
            columns.into_iter().map(Building::finish).collect()
        })
    }
}

/// A column in the making.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per column and piece")]
enum Building {
    Vectors(Role, VectorBuilder),
    Numbers(Role, Float64Builder),
}

impl Building {
    fn new(role: Role, rows: usize) -> Self {
        match role {
            Role::Prediction | Role::LeafNumber => Self::Numbers(role, Float64Builder::with_capacity(rows)),
            Role::Raw | Role::Probability | Role::Leaf => Self::Vectors(role, VectorBuilder::with_capacity(rows)),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Vectors(_, out) => out.push_null(),
            Self::Numbers(_, out) => out.append_null(),
        }
    }

    fn finish(self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Vectors(_, out) => Arc::new(out.finish()?),
            Self::Numbers(_, mut out) => Arc::new(out.finish()),
        })
    }
}

/// The nulls of rows that could not be processed.
pub fn nulls_of(good: Vec<bool>) -> Option<NullBuffer> {
    Some(NullBuffer::from(good)).filter(|nulls| nulls.null_count() > 0)
}
