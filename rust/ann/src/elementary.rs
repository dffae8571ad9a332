//! Elementary functions in `f32` without branches, so that the compiler vectorizes loops over them. Their relative error is below
//! 1e-6, unless something else is said.

#![expect(clippy::inline_always, reason = "only code inlined into a vectorized loop uses its instruction set")]

/// The exponential: range reduction and a polynomial of degree 6. Below -87 it is 1e-38, and above 88 it is 2e38.
#[inline(always)]
pub fn exponential(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts; the first has trailing zeros, so that its product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let tail = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))));
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    power * (1.0 + r * (1.0 + r * tail))
}

/// 1 / (1 + exp(-x)).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

/// The hyperbolic tangent: near 0 a polynomial (Cephes, `tanhf`), else from the exponential that does not overflow.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let square = x * x;
    let tail = -5.704_988_7e-3 * square + 2.063_909e-2;
    let tail = ((tail * square - 5.373_971_5e-2) * square + 1.333_144_2e-1) * square - 3.333_328e-1;
    let small = exponential(-2.0 * x.abs());
    let large = ((1.0 - small) / (1.0 + small)).copysign(x);
    if x.abs() < 0.625 { tail * square * x + x } else { large }
}

/// log(1 + exp(-|x|)): the series of the inverse hyperbolic tangent.
#[inline(always)]
pub fn softplus_tail(x: f32) -> f32 {
    let small = exponential(-x.abs());
    // log(1 + s) = 2 artanh(s / (2 + s)), at most at 1/3.
    let u = small / (2.0 + small);
    let v = u * u;
    let series = 1.0 / 9.0 + v * (1.0 / 11.0 + v * (1.0 / 13.0 + v * (1.0 / 15.0)));
    2.0 * u * (1.0 + v * (1.0 / 3.0 + v * (1.0 / 5.0 + v * (1.0 / 7.0 + v * series))))
}

/// The standard normal distribution function, from the error function of Abramowitz and Stegun (7.1.26). Its absolute error is below
/// 3e-7.
#[inline(always)]
pub fn normal_distribution(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let tail = 0.5 * poly * exponential(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative difference on -`end` to `end`.
    fn worst(end: f32, of: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let off = |at: i32| {
            // Many small numbers, and few large ones.
            let x = (at as f32 / 20_000.0).powi(3) * end;
            let expected = exact(f64::from(x));
            if expected == 0.0 { f64::from(of(x)).abs() } else { (f64::from(of(x)) / expected - 1.0).abs() }
        };
        (-20_000..=20_000).map(off).fold(0.0, f64::max)
    }

    #[test]
    fn functions_are_close() {
        assert!(worst(86.9, exponential, f64::exp) < 3e-7);
        assert!(worst(86.9, sigmoid, |x| 1.0 / (1.0 + (-x).exp())) < 6e-7);
        assert!(worst(90.0, tanh, f64::tanh) < 6e-7);
        assert!(worst(86.9, softplus_tail, |x| (-x.abs()).exp().ln_1p()) < 6e-7);
    }

    #[test]
    fn extremes_are_finite_and_nan_stays() {
        assert!(exponential(-1e9) >= 0.0 && exponential(1e9).is_finite() && exponential(f32::INFINITY).is_finite());
        for of in [exponential, sigmoid, tanh, softplus_tail, normal_distribution] {
            assert!(of(f32::NAN).is_nan());
            assert!(of(f32::NEG_INFINITY).is_finite() && of(f32::MAX).is_finite());
        }
        assert!((sigmoid(1e9) - 1.0).abs() < 1e-7 && sigmoid(-1e9) < 1e-30);
        assert!((tanh(1e9) - 1.0).abs() < 1e-7 && (tanh(-1e9) + 1.0).abs() < 1e-7);
    }

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, expected) in
            [(0.0, 0.5), (1.0, 0.841_344_8), (-1.0, 0.158_655_25), (1.96, 0.975_002_1), (-4.0, 3.167_124e-5)]
        {
            assert!((normal_distribution(x) - expected).abs() < 3e-7, "{x}: {}", normal_distribution(x));
        }
    }
}
