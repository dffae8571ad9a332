//! A column of scores.

use arrow_array::{Array, ArrayRef, Float64Array};
use mmlrs_core::Result;
use mmlrs_core::vector::{VectorRow, Vectors};

use super::classes::Class;
use crate::numbers::{doubles, is_vector};

/// Probabilities of a row may miss 1 by this much in all.
const SUM_TOLERANCE: f64 = 1e-6;

/// The column: numbers or vectors.
#[expect(clippy::large_enum_variant, reason = "one a column and batch")]
pub enum Scores {
    Numbers(Float64Array),
    Vectors(Vectors),
}

/// The score of a row.
#[derive(Debug, Clone, Copy)]
pub enum Score<'a> {
    /// That of the second of two classes.
    Number(f64),
    /// One for each class.
    Vector(VectorRow<'a>),
}

impl Scores {
    /// A view of a column.
    pub fn new(column: &str, array: &ArrayRef) -> Result<Self> {
        Ok(if is_vector(array.data_type()) {
            Self::Vectors(Vectors::from_array(column, array)?)
        } else {
            Self::Numbers(doubles(column, array)?)
        })
    }

    /// The score of a row; None for null.
    pub fn at(&self, row: usize) -> Option<Score<'_>> {
        match self {
            Self::Numbers(numbers) => numbers.is_valid(row).then(|| Score::Number(numbers.value(row))),
            Self::Vectors(vectors) => vectors.row(row).map(Score::Vector),
        }
    }
}

impl Score<'_> {
    /// The score of the second of two classes; None where there are more or fewer.
    pub fn positive(&self) -> Option<f64> {
        match self {
            Self::Number(score) => Some(*score),
            Self::Vector(vector) => (vector.size() == 2).then(|| slot(vector, 1)),
        }
    }
}

/// The probability that a score gives to a class; None where scores are no probabilities. The error completes the sentence
/// "column `x` ...".
pub fn probability_of(class: &Class, score: Score<'_>) -> Result<Option<f64>, String> {
    match score {
        Score::Number(score) if score.is_nan() => Err("is null or NaN".to_owned()),
        Score::Number(score) => {
            let own = if class.index() == Some(1) { score } else { 1.0 - score };
            Ok((0.0..=1.0).contains(&score).then_some(own))
        }
        Score::Vector(vector) => {
            let Some(place) = class.index().filter(|place| *place < vector.size()) else {
                return Err(match class.number() {
                    Some(n) => format!("has {} scores, none of them for the class {n}", vector.size()),
                    None => "has scores by place, but the label is a text; `labels` tells the places".to_owned(),
                });
            };
            let (VectorRow::Dense(values) | VectorRow::Sparse { values, .. }) = vector;
            let (least, sum) = values.iter().fold((0.0_f64, 0.0), |(least, sum), v| (least.min(*v), sum + v));
            if sum.is_nan() {
                return Err("has a score that is NaN".to_owned());
            }
            Ok((least >= 0.0 && (sum - 1.0).abs() <= SUM_TOLERANCE).then(|| slot(&vector, place)))
        }
    }
}

/// Minus the logarithm of a probability, clipped as in scikit-learn.
pub fn negative_log(probability: f64) -> f64 {
    -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

fn slot(vector: &VectorRow<'_>, place: usize) -> f64 {
    match vector {
        VectorRow::Dense(values) => values[place],
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().position(|i| *i as usize == place).map_or(0.0, |i| values[i])
        }
    }
}
