//! Loops over long vectors.

#![expect(clippy::inline_always, reason = "only code inlined into the multiversioned loop uses its instruction set")]

use multiversion::multiversion;

/// The exponential, with a relative error of about 1e-7: range reduction and a polynomial of degree 6, which the compiler
/// vectorizes.
#[inline(always)]
pub fn exponential(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts; the first has trailing zeros, so that its product with a small integer is exact.
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    // Adding and subtracting it rounds to an integer.
    const ROUNDING: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = (x * LOG2_E + ROUNDING) - ROUNDING;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let tail = 0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))));
    let power = f32::from_bits((((n as i32) + 127) << 23) as u32);
    power * (1.0 + r * (1.0 + r * tail))
}

/// `x += y`.
#[multiversion(targets(
    "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
    "x86_64+avx+avx2+bmi1+bmi2+fma",
    "aarch64+neon"
))]
pub fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += *y;
    }
}

/// `x += factor * y`.
#[multiversion(targets(
    "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
    "x86_64+avx+avx2+bmi1+bmi2+fma",
    "aarch64+neon"
))]
pub fn add_scaled(x: &mut [f32], factor: f32, y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += factor * *y;
    }
}

/// The sum of products, in `f64`.
#[multiversion(targets(
    "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
    "x86_64+avx+avx2+bmi1+bmi2+fma",
    "aarch64+neon"
))]
pub fn dot(x: &[f32], y: &[f32]) -> f64 {
    // Several sums, so that the additions do not wait for each other.
    let mut sums = [0.0_f64; 16];
    let (left, right) = (x.chunks_exact(16), y.chunks_exact(16));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    for (x, y) in left.zip(right) {
        for at in 0..16 {
            sums[at] += f64::from(x[at]) * f64::from(y[at]);
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close() {
        for at in -8600..=8700 {
            let x = at as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exponential(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
        assert!(exponential(-1e9) >= 0.0 && exponential(1e9).is_finite());
    }

    #[test]
    fn sums_are_right_for_every_length() {
        for len in [0, 1, 15, 16, 17, 100] {
            let x: Vec<f32> = (0..len).map(|at| at as f32).collect();
            let squares: f64 = (0..len).map(|at| (at * at) as f64).sum();
            assert!((dot(&x, &x) - squares).abs() < 1e-9);
            let mut y = x.clone();
            add(&mut y, &x);
            add_scaled(&mut y, -2.0, &x);
            assert!(y.iter().all(|y| y.abs() < 1e-6));
        }
    }
}
