//! Mergeable mean and central moments.
//!
//! Formulas: Chan, Golub and `LeVeque`, "Updating formulae and a pairwise algorithm for computing sample variances" (1979),
//! and for the third and fourth moment Pebay, "Formulas for robust, one-pass parallel computation of covariances and
//! arbitrary-order statistical moments", SAND2008-6212 (2008).

use serde::{Deserialize, Serialize};

/// Number of values processed at once, so that two passes over them stay in the CPU cache.
const CHUNK: usize = 2048;

/// Count, mean and sums of powers of the deviations from the mean, over the finite values. Infinities are counted separately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u64,
    mean: f64,
    m2: f64,
    m3: f64,
    m4: f64,
    plus_infinities: u64,
    minus_infinities: u64,
}

impl Moments {
    /// Adds values, none of which may be NaN.
    pub fn update(&mut self, values: &[f64]) {
        for chunk in values.chunks(CHUNK) {
            if chunk.iter().all(|v| v.is_finite()) {
                self.merge(&Self::of(chunk));
                continue;
            }
            self.plus_infinities += chunk.iter().filter(|v| **v == f64::INFINITY).count() as u64;
            self.minus_infinities += chunk.iter().filter(|v| **v == f64::NEG_INFINITY).count() as u64;
            let finite: Vec<f64> = chunk.iter().copied().filter(|v| v.is_finite()).collect();
            self.merge(&Self::of(&finite));
        }
    }

    /// The moments of finite values, in two passes.
    fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let n = values.len() as f64;
        let mut mean = values.iter().sum::<f64>() / n;
        if !mean.is_finite() {
            mean = values.iter().map(|v| v / n).sum();
        }
        // The sum of the deviations is the rounding error of the mean.
        mean += values.iter().map(|v| v - mean).sum::<f64>() / n;
        let (mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0);
        for value in values {
            let d = value - mean;
            let square = d * d;
            m2 += square;
            m3 += square * d;
            m4 += square * square;
        }
        Self { n: values.len() as u64, mean, m2, m3, m4, plus_infinities: 0, minus_infinities: 0 }
    }

    /// Adds the values of another summary.
    pub fn merge(&mut self, other: &Self) {
        self.plus_infinities += other.plus_infinities;
        self.minus_infinities += other.minus_infinities;
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            let infinities = (self.plus_infinities, self.minus_infinities);
            *self = *other;
            (self.plus_infinities, self.minus_infinities) = infinities;
            return;
        }
        let n = (self.n + other.n) as f64;
        let (a, b) = (self.n as f64 / n, other.n as f64 / n);
        let delta = other.mean - self.mean;
        let square = delta * delta;
        let weight = a * b * n;
        self.m4 += other.m4
            + square * square * weight * (a * a - a * b + b * b)
            + 6.0 * square * (a * a * other.m2 + b * b * self.m2)
            + 4.0 * delta * (a * other.m3 - b * self.m3);
        self.m3 += other.m3 + square * delta * weight * (a - b) + 3.0 * delta * (a * other.m2 - b * self.m2);
        self.m2 += other.m2 + square * weight;
        self.mean += delta * b;
        self.n += other.n;
    }

    /// Number of values, including infinities.
    pub fn count(&self) -> u64 {
        self.n + self.plus_infinities + self.minus_infinities
    }

    /// The mean: infinite if there are infinities of one sign, NaN if there are both. `None` without values.
    pub fn mean(&self) -> Option<f64> {
        match (self.plus_infinities, self.minus_infinities) {
            (0, 0) => (self.n > 0).then_some(self.mean),
            (_, 0) => Some(f64::INFINITY),
            (0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sample variance, with denominator n - 1. `None` for fewer than two values.
    pub fn variance(&self) -> Option<f64> {
        self.finite(self.count() > 1, self.m2 / (self.n as f64 - 1.0))
    }

    /// The skewness, the third moment over the second to the power of 3/2, as in Spark and `SciPy`. `None` if all values are
    /// equal.
    pub fn skewness(&self) -> Option<f64> {
        self.finite(self.m2 > 0.0, (self.n as f64).sqrt() * self.m3 / self.m2.powf(1.5))
    }

    /// The excess kurtosis, the fourth moment over the square of the second, minus 3, as in Spark and `SciPy`. `None` if all
    /// values are equal.
    pub fn kurtosis(&self) -> Option<f64> {
        self.finite(self.m2 > 0.0, self.n as f64 * self.m4 / (self.m2 * self.m2) - 3.0)
    }

    /// The value if it is defined; NaN if there is an infinity.
    fn finite(&self, defined: bool, value: f64) -> Option<f64> {
        if self.plus_infinities + self.minus_infinities > 0 { Some(f64::NAN) } else { defined.then_some(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Option<f64>, b: f64) {
        assert!(a.is_some_and(|a| (a - b).abs() <= 1e-12 * b.abs().max(1.0)), "{a:?} is not {b}");
    }

    #[test]
    fn values_far_from_zero_keep_their_variance() {
        let values: Vec<f64> = (0..10_000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let mut moments = Moments::default();
        moments.update(&values);
        close(moments.variance(), 2500.0 / 9999.0 * 1.0);
        close(moments.skewness(), 0.0);
        close(moments.kurtosis(), -2.0);
    }

    #[test]
    fn parts_merge_to_the_whole() {
        let values: Vec<f64> = (0..5000).map(|i| f64::from(i * i % 977) / 7.0 - 30.0).collect();
        let mut single = Moments::default();
        single.update(&values);
        let mut merged = Moments::default();
        for part in [&values[..3], &values[3..3], &values[3..2500], &values[2500..]] {
            let mut one = Moments::default();
            one.update(part);
            merged.merge(&one);
        }
        for statistic in [Moments::mean, Moments::variance, Moments::skewness, Moments::kurtosis] {
            close(statistic(&merged), statistic(&single).unwrap_or(f64::NAN));
        }
    }

    #[test]
    fn huge_values_do_not_overflow_the_mean() {
        let mut moments = Moments::default();
        moments.update(&[f64::MAX, f64::MAX]);
        assert_eq!(moments.mean(), Some(f64::MAX));
    }

    #[test]
    fn infinities_are_values_and_do_not_poison_what_is_merged_later() {
        let mut moments = Moments::default();
        moments.update(&[1.0, f64::INFINITY]);
        assert_eq!((moments.count(), moments.mean()), (2, Some(f64::INFINITY)));
        assert!(moments.variance().is_some_and(f64::is_nan));
        moments.update(&[f64::NEG_INFINITY]);
        assert!(moments.mean().is_some_and(f64::is_nan));
    }
}
