//! A column of scores.

use arrow_array::{Array, ArrayRef, Float64Array};
use mmlrs_core::vector::{VectorRow, Vectors};
use mmlrs_core::{Result, doubles};

use super::classes::Class;
use crate::numbers::is_vector;

/// The probabilities of a row may sum to 1 within this tolerance.
const SUM_TOLERANCE: f64 = 1e-6;

/// The column: numbers or vectors.
#[expect(clippy::large_enum_variant, reason = "one per column and batch")]
pub enum Scores {
    Numbers(Float64Array),
    Vectors(Vectors),
}

/// The score of a row.
#[derive(Debug, Clone, Copy)]
pub enum Score<'a> {
    /// The score of the second of two classes.
    Number(f64),
    /// One score for each class.
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

    /// The score of a row; None if it is null.
    pub fn at(&self, row: usize) -> Option<Score<'_>> {
        match self {
            Self::Numbers(numbers) => numbers.is_valid(row).then(|| Score::Number(numbers.value(row))),
            Self::Vectors(vectors) => vectors.row(row).map(Score::Vector),
        }
    }
}

impl<'a> Score<'a> {
    /// Number of slots; 0 for a number.
    pub fn size(&self) -> usize {
        self.vector().map_or(0, VectorRow::size)
    }

    /// The vector, if it is one.
    pub fn vector(&self) -> Option<&VectorRow<'a>> {
        match self {
            Self::Number(_) => None,
            Self::Vector(vector) => Some(vector),
        }
    }

    /// The scores of the first and the second of two classes; None for a vector of another size.
    pub fn of_two(&self) -> Option<[f64; 2]> {
        match self {
            Self::Number(score) => Some([1.0 - score, *score]),
            Self::Vector(vector) => (vector.size() == 2).then(|| [slot(vector, 0), slot(vector, 1)]),
        }
    }
}

/// Whether the scores of a row are probabilities. The error, for NaN, completes the sentence "column `x` ...".
pub fn are_probabilities(score: Score<'_>) -> Result<bool, String> {
    match score {
        Score::Number(score) if score.is_nan() => Err("is null or NaN".to_owned()),
        Score::Number(score) => Ok((0.0..=1.0).contains(&score)),
        Score::Vector(vector) if vector.size() == 0 => Err("has no scores".to_owned()),
        Score::Vector(VectorRow::Dense(values) | VectorRow::Sparse { values, .. }) => {
            let (min, sum) = values.iter().fold((0.0_f64, 0.0), |(min, sum), v| (min.min(*v), sum + v));
            if sum.is_nan() {
                return Err("has a score that is NaN".to_owned());
            }
            Ok(min >= 0.0 && (sum - 1.0).abs() <= SUM_TOLERANCE)
        }
    }
}

/// The probability that a score gives to a class; None if the scores are not probabilities. `labels` is the number of given
/// labels. The error completes the sentence "column `x` ...".
pub fn probability_of(class: &Class, score: Score<'_>, labels: Option<usize>) -> Result<Option<f64>, String> {
    let proper = are_probabilities(score)?;
    let slots = if score.size() == 0 { 2 } else { score.size() };
    let Some(place) = class.index().filter(|place| *place < slots) else {
        return Err(none_for(score.size(), class));
    };
    if score.size() == 0 && labels.is_some_and(|count| count != 2) {
        return Err("is one number, the score of the second of two classes, but there are not two labels".to_owned());
    }
    let probability = score.of_two().map(|two| two[place]).or_else(|| score.vector().map(|vector| slot(vector, place)));
    Ok(probability.filter(|_| proper))
}

/// The error for scores without one for the class.
pub fn none_for(size: usize, class: &Class) -> String {
    let what =
        if size == 0 { "is the score of the second of two classes".to_owned() } else { format!("has {size} scores") };
    match class {
        Class::Number(_) => {
            let shown = class.number().unwrap_or_default();
            format!("{what}, none of them for the class {shown}; set `labels` to the order of the classes")
        }
        Class::Text(text) => {
            format!("{what}, but the label is the string {text:?}; set `labels` to the order of the classes")
        }
    }
}

/// Minus the logarithm of a probability, clipped as in scikit-learn.
pub fn negative_log(probability: f64) -> f64 {
    -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
}

/// The value of a slot; NaN if the vector is shorter.
pub fn slot(vector: &VectorRow<'_>, place: usize) -> f64 {
    match vector {
        VectorRow::Dense(values) => values.get(place).copied().unwrap_or(f64::NAN),
        VectorRow::Sparse { indices, values, .. } => {
            indices.iter().position(|i| *i as usize == place).map_or(0.0, |i| values[i])
        }
    }
}
