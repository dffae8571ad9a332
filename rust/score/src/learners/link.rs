//! From raw values to means and probabilities.

use serde::Deserialize;

/// The inverse of a link function: from a linear predictor to the mean.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Link {
    Identity,
    Log,
    Logit,
    Probit,
    CLogLog,
    Inverse,
    Sqrt,
    /// `x^(1/power)`.
    Power {
        power: f64,
    },
    /// `log(1 + exp(x))`.
    Softplus,
    /// The square with the sign of `x`, as LightGBM's `reg_sqrt` needs it.
    SignedSquare,
    /// Twice the logistic function of `factor * x`, as LightGBM's and others' sigmoids.
    Sigmoid {
        factor: f64,
    },
}

impl Link {
    /// The mean.
    pub fn mean(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Log => x.exp(),
            Self::Logit => 1.0 / (1.0 + (-x).exp()),
            Self::Probit => normal_cdf(x),
            Self::CLogLog => 1.0 - (-x.exp()).exp(),
            Self::Inverse => 1.0 / x,
            Self::Sqrt => x * x,
            Self::Power { power } => {
                if power == 0.0 {
                    x.exp()
                } else {
                    x.powf(1.0 / power)
                }
            }
            Self::Softplus => x.exp().ln_1p(),
            Self::SignedSquare => x * x.abs(),
            Self::Sigmoid { factor } => 1.0 / (1.0 + (-factor * x).exp()),
        }
    }
}

/// How class probabilities follow from raw values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probabilities {
    /// There are none.
    None,
    /// Of two raw values `-m` and `m`: the logistic function of `m`.
    Logistic,
    /// Of two raw values `-m` and `m`: the logistic function of `2 m`.
    LogisticTwice,
    Softmax,
    /// Each value divided by the sum.
    Normalize,
    /// The raw values are probabilities.
    Raw,
    /// The logistic function of each value, divided by the sum.
    OneVsRest,
    /// The logistic function of each value.
    Sigmoids,
}

impl Probabilities {
    /// Replaces the raw values of a row by probabilities.
    pub fn apply(self, values: &mut [f64]) {
        match self {
            Self::None | Self::Raw => {}
            Self::Logistic => two(values, 1.0 / (1.0 + (-values[0]).exp())),
            Self::LogisticTwice => two(values, 1.0 / (1.0 + (-2.0 * values[0]).exp())),
            Self::Softmax => softmax(values),
            Self::Normalize => normalize(values),
            Self::OneVsRest => {
                sigmoids(values);
                normalize(values);
            }
            Self::Sigmoids => sigmoids(values),
        }
    }
}

fn two(values: &mut [f64], first: f64) {
    values[0] = first;
    if let Some(second) = values.get_mut(1) {
        *second = 1.0 - first;
    }
}

fn sigmoids(values: &mut [f64]) {
    for value in values {
        *value = 1.0 / (1.0 + (-*value).exp());
    }
}

fn normalize(values: &mut [f64]) {
    let sum: f64 = values.iter().sum();
    if sum != 0.0 {
        values.iter_mut().for_each(|value| *value /= sum);
    }
}

/// The softmax function. As in Spark, the first infinite value has probability 1, and then the others have none: NaN.
pub fn softmax(values: &mut [f64]) {
    let (mut best, mut largest) = (0, f64::NEG_INFINITY);
    for (i, value) in values.iter().enumerate() {
        if *value > largest {
            (best, largest) = (i, *value);
        }
    }
    if largest == f64::INFINITY {
        values.iter_mut().enumerate().for_each(|(i, value)| *value = if i == best { 1.0 } else { f64::NAN });
        return;
    }
    values.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|value| *value /= sum);
}

/// The distribution function of the standard normal distribution.
///
/// `erfc` by its Taylor series near zero and by its continued fraction elsewhere (Abramowitz and Stegun, 7.1.6 and 7.1.14), to
/// about 1e-15 relative to the larger tail.
pub fn normal_cdf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let z = x.abs() / std::f64::consts::SQRT_2;
    let tail = 0.5 * erfc(z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// The complementary error function of a number that is not negative.
fn erfc(z: f64) -> f64 {
    const PI_ROOT: f64 = 1.772_453_850_905_516;
    if z < 2.0 {
        // erf(z) = 2/sqrt(pi) exp(-z²) sum 2^n z^(2n+1) / (1 3 5 ... (2n+1))
        let (mut term, mut sum) = (z, z);
        for n in 1..200 {
            term *= 2.0 * z * z / f64::from(2 * n + 1);
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return 1.0 - 2.0 / PI_ROOT * (-z * z).exp() * sum;
    }
    if z > 27.0 {
        return 0.0;
    }
    let mut fraction = z;
    for n in (1..=120).rev() {
        fraction = z + f64::from(n) / 2.0 / fraction;
    }
    (-z * z).exp() / PI_ROOT / fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_has_its_known_values() {
        for (x, p) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.959_963_984_540_054, 0.025),
            (3.0, 0.998_650_101_968_369_9),
            (-6.0, 9.865_876_450_376_98e-10),
        ] {
            assert!((normal_cdf(x) - p).abs() < 1e-14, "{x}: {}", normal_cdf(x));
        }
        assert!(normal_cdf(f64::NAN).is_nan());
    }

    #[test]
    fn softmax_survives_infinities() {
        let mut values = [1.0, f64::INFINITY, 0.0];
        softmax(&mut values);
        assert!(values[0].is_nan() && values[1] == 1.0 && values[2].is_nan());
        let mut values = [1000.0, 1000.0];
        softmax(&mut values);
        assert_eq!(values, [0.5, 0.5]);
    }
}
