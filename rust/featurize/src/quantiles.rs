//! Quantiles by a mergeable sketch.

use datasketches::common::SearchCriteria;
use datasketches::kll::KllSketch;
use mmlrs_core::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::{key_of, of_key};

/// A KLL sketch (Karnin, Lang, Liberty 2016) of doubles. It is exact up to `k` values. Beyond that the rank of a quantile is
/// off by at most [`Quantiles::rank_error`] of the count, at 99% confidence.
#[derive(Debug, Clone)]
pub struct Quantiles(KllSketch<i64>);

impl Quantiles {
    /// An empty sketch with a rank error of at most `error`.
    pub fn with_rank_error(error: f64) -> Result<Self> {
        // The inverse of the error that the library documents for `k`: 2.296 / k^0.9723.
        let k = (2.296 / error).powf(1.0 / 0.9723).ceil().clamp(200.0, f64::from(u16::MAX));
        KllSketch::new(k as u16).map(Self).map_err(failed)
    }

    /// The rank error at 99% confidence, as a fraction of the count.
    pub fn rank_error(&self) -> f64 {
        self.0.normalized_rank_error()
    }

    /// Adds values, none of which may be NaN.
    pub fn update(&mut self, values: &[f64]) {
        for value in values {
            self.0.update(key_of(*value));
        }
    }

    /// Adds the values of another sketch.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0).map_err(failed)
    }

    /// The values at these ranks from 0 to 1. The value at a rank is the smallest value for which at least that fraction of the
    /// values is less than or equal to it. Ranks 0 and 1 are exact. `None` without values.
    pub fn at(&self, ranks: &[f64]) -> Result<Option<Vec<f64>>> {
        let keys = self.0.quantiles(ranks, SearchCriteria::Inclusive).map_err(failed)?;
        Ok(keys.map(|keys| keys.into_iter().map(of_key).collect()))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that map_err expects")]
fn failed(error: datasketches::error::Error) -> Error {
    Error::runtime(format!("quantiles: {error}"))
}

impl Serialize for Quantiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        KllSketch::deserialize(&bytes).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: impl Iterator<Item = f64>) -> Quantiles {
        let mut sketch = Quantiles::with_rank_error(0.001).expect("a valid error");
        sketch.update(&values.collect::<Vec<_>>());
        sketch
    }

    #[test]
    fn few_values_are_exact_however_they_are_split() {
        let mut merged = sketch([3.0, f64::INFINITY].into_iter());
        merged.merge(&sketch([-0.0, 2.0].into_iter())).expect("merges");
        assert_eq!(
            merged.at(&[0.0, 0.25, 0.5, 0.75, 1.0]).expect("works"),
            Some(vec![0.0, 0.0, 2.0, 3.0, f64::INFINITY])
        );
    }

    #[test]
    fn many_values_keep_the_stated_error() {
        let n = 1_000_000_i64;
        let mut merged = sketch(std::iter::empty());
        for part in 0..10 {
            merged.merge(&sketch((0..n / 10).map(|i| ((i * 10 + part) * 7919 % n) as f64))).expect("merges");
        }
        let ranks = [0.005, 0.25, 0.5, 0.995];
        let got = merged.at(&ranks).expect("works").expect("has values");
        assert!(merged.rank_error() <= 0.001);
        // Three times the error at 99% confidence.
        assert!(ranks.iter().zip(got).all(|(rank, value)| (value / n as f64 - rank).abs() < 0.003));
    }

    #[test]
    fn a_sketch_survives_the_way_to_another_process() {
        let bytes = postcard::to_stdvec(&sketch([1.0, 2.0, 3.0].into_iter())).expect("writes");
        let back: Quantiles = postcard::from_bytes(&bytes).expect("reads");
        assert_eq!(back.at(&[0.5]).expect("works"), Some(vec![2.0]));
        assert!(postcard::from_bytes::<Quantiles>(&bytes[..bytes.len() - 9]).is_err());
    }
}
