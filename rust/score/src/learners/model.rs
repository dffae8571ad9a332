//! Models that compute a few raw values from a vector.

use std::ops::Range;

use mmlrs_core::vector::{VectorRow, Vectors};
use serde::Deserialize;

use super::bayes::NaiveBayes;
use super::factorization::Factorization;
use super::forest::Forest;
use super::linear::Linear;
use super::perceptron::Perceptron;
use crate::step::{Piece, usable};

/// A model by kind.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Model {
    Linear(Linear),
    NaiveBayes(NaiveBayes),
    Forest(Box<Forest>),
    Factorization(Factorization),
    Perceptron(Perceptron),
    OneVsRest(OneVsRest),
}

impl Model {
    /// The model, once its params are checked and it is in the form that scores.
    pub fn ready(self) -> Result<Self, String> {
        Ok(match self {
            Self::Linear(model) => Self::Linear(model.ready()?),
            Self::NaiveBayes(model) => Self::NaiveBayes(model.ready()?),
            Self::Forest(model) => Self::Forest(Box::new(model.ready()?)),
            Self::Factorization(model) => Self::Factorization(model.ready()?),
            Self::Perceptron(model) => Self::Perceptron(model.ready()?),
            Self::OneVsRest(model) => Self::OneVsRest(model.ready()?),
        })
    }

    /// Number of raw values of a row.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Linear(model) => model.outputs(),
            Self::NaiveBayes(model) => model.outputs(),
            Self::Forest(model) => model.outputs(),
            Self::Factorization(_) => 1,
            Self::Perceptron(model) => model.outputs(),
            Self::OneVsRest(model) => model.outputs(),
        }
    }

    /// The size of the vectors it reads. None for vectors of at least [`Model::least_size`].
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Linear(model) => Some(model.size),
            Self::NaiveBayes(model) => Some(model.size),
            Self::Forest(model) => model.size(),
            Self::Factorization(model) => Some(model.size()),
            Self::Perceptron(model) => Some(model.size()),
            Self::OneVsRest(model) => model.size(),
        }
    }

    /// The smallest size of the vectors it reads.
    pub fn least_size(&self) -> usize {
        match self {
            Self::Forest(model) => model.least_size(),
            Self::OneVsRest(model) => model.least_size(),
            other => other.size().unwrap_or(0),
        }
    }

    /// The raw values of a vector of the right size.
    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) -> Result<(), String> {
        match self {
            Self::Linear(model) => model.row(vector, out),
            Self::NaiveBayes(model) => return model.row(vector, out),
            Self::Forest(model) => model.row(vector, out),
            Self::Factorization(model) => model.row(vector, out),
            Self::Perceptron(model) => model.row(vector, out),
            Self::OneVsRest(model) => return model.row(vector, out),
        }
        Ok(())
    }

    /// Why a vector has a size that the model cannot read.
    fn misfit(&self, vector: VectorRow<'_>) -> Result<(), String> {
        let size = vector.size();
        match self.size() {
            Some(expected) if expected != size => {
                Err(format!("has a vector of size {size}; the model was fitted on vectors of size {expected}"))
            }
            None if size < self.least_size() => {
                Err(format!("has a vector of size {size}; the model reads slot {}", self.least_size() - 1))
            }
            _ => Ok(()),
        }
    }

    /// The raw values of the rows of a range, one row after the other, and which rows have them. The others are rejected.
    pub fn scored(
        &self,
        vectors: &Vectors,
        range: Range<usize>,
        piece: &mut Piece<'_>,
    ) -> mmlrs_core::Result<(Vec<f64>, Vec<bool>)> {
        let start = range.start;
        let mut values = vec![0.0; range.len() * self.outputs()];
        let mut good = vec![true; range.len()];
        self.rows(vectors, range, &mut values, |place, cause| {
            good[place] = false;
            piece.reject(start + place, (0, cause))
        })?;
        Ok((values, good))
    }

    /// The raw values of the rows of a range, one row after the other in `out`. A row that has none is passed to `flawed` with the
    /// cause, and its values are NaN.
    fn rows(
        &self,
        vectors: &Vectors,
        range: Range<usize>,
        out: &mut [f64],
        mut flawed: impl FnMut(usize, String) -> mmlrs_core::Result<()>,
    ) -> mmlrs_core::Result<()> {
        let width = self.outputs();
        let mut good = Vec::with_capacity(range.len());
        for (place, row) in range.enumerate() {
            match usable(vectors, row).and_then(|vector| self.misfit(vector).map(|()| vector)) {
                Ok(vector) => good.push((place, vector)),
                Err(cause) => {
                    out[place * width..(place + 1) * width].fill(f64::NAN);
                    flawed(place, cause)?;
                }
            }
        }
        if let Self::Forest(model) = self {
            model.many(&good, out);
            return Ok(());
        }
        let first = |place: usize| place * width;
        for (place, vector) in good {
            let values = &mut out[first(place)..first(place) + width];
            if let Err(cause) = self.row(vector, values) {
                values.fill(f64::NAN);
                flawed(place, cause)?;
            }
        }
        Ok(())
    }
}

/// Models whose last raw value scores their class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneVsRest {
    models: Vec<Model>,
}

impl OneVsRest {
    pub fn ready(self) -> Result<Self, String> {
        let models: Vec<Model> = self.models.into_iter().map(Model::ready).collect::<Result<_, _>>()?;
        if models.is_empty() { Err("it has no models".to_owned()) } else { Ok(Self { models }) }
    }

    pub fn outputs(&self) -> usize {
        self.models.len()
    }

    pub fn size(&self) -> Option<usize> {
        self.models.iter().find_map(Model::size)
    }

    pub fn least_size(&self) -> usize {
        self.models.iter().map(Model::least_size).max().unwrap_or(0)
    }

    pub fn row(&self, vector: VectorRow<'_>, out: &mut [f64]) -> Result<(), String> {
        for (model, out) in self.models.iter().zip(out) {
            let mut raw = vec![0.0; model.outputs()];
            model.row(vector, &mut raw)?;
            *out = raw[raw.len() - 1];
        }
        Ok(())
    }
}
