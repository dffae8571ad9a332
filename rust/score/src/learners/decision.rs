//! From scores to a predicted class.

use serde::Deserialize;

use crate::numbers::Floats;

/// How the class follows from the raw values and the probabilities of a row.
#[derive(Debug, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// The first largest raw value.
    LargestRaw,
    /// The first largest raw value above the smallest double, and -1 without one, as in `OneVsRestModel`.
    LargestRawOrNone,
    /// The first largest probability.
    LargestProbability,
    /// Class 1 if its raw value exceeds the threshold. A list of one number.
    RawAbove { threshold: Floats },
    /// Class 1 if its probability exceeds the threshold.
    ProbabilityAbove { threshold: Floats },
    /// The first largest quotient of a probability and its threshold, of those that are numbers.
    Scaled { thresholds: Floats },
}

impl Decision {
    /// Returns an error if the rule does not fit the number of classes.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        match self {
            Self::Scaled { thresholds } if thresholds.len() != classes => {
                Err(format!("it has {} thresholds for {classes} classes", thresholds.len()))
            }
            Self::RawAbove { threshold } | Self::ProbabilityAbove { threshold }
                if threshold.len() != 1 || classes != 2 =>
            {
                Err("a threshold needs two classes".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The number of the class.
    pub fn class(&self, raw: &[f64], probabilities: &[f64]) -> f64 {
        if matches!(self, Self::LargestRawOrNone) && !raw.iter().any(|value| *value > f64::MIN) {
            return -1.0;
        }
        self.place(raw, probabilities) as f64
    }

    fn place(&self, raw: &[f64], probabilities: &[f64]) -> usize {
        match self {
            Self::LargestRawOrNone => first_largest(raw.iter().copied().map(below_all)),
            Self::LargestRaw => first_largest(raw.iter().copied()),
            Self::LargestProbability => first_largest(probabilities.iter().copied()),
            Self::RawAbove { threshold } => usize::from(raw[1] > threshold[0]),
            Self::ProbabilityAbove { threshold } => usize::from(probabilities[1] > threshold[0]),
            Self::Scaled { thresholds } => {
                let scaled = probabilities.iter().zip(&**thresholds).map(|(p, t)| p / t);
                first_largest(scaled.map(below_all))
            }
        }
    }
}

/// A NaN as a number below all others.
fn below_all(value: f64) -> f64 {
    if value.is_nan() { f64::NEG_INFINITY } else { value }
}

/// The place of the first largest value. A NaN is never larger, and nothing is larger than a NaN in the first place.
pub fn first_largest(values: impl Iterator<Item = f64>) -> usize {
    let mut best = (0, f64::NAN);
    for (i, value) in values.enumerate() {
        if i == 0 || value > best.1 {
            best = (i, value);
        }
    }
    best.0
}
