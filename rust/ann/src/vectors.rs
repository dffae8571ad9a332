//! Loops over long vectors, compiled for several instruction sets.

use crate::elementary::exponential;

/// Number of sums side by side, so that additions do not wait for each other.
const LANES: usize = 16;

/// Compiles a function for several instruction sets; the best one is chosen at run time.
macro_rules! vectorized {
    ($($function:tt)*) => {
        #[multiversion::multiversion(targets(
            "x86_64+avx512f+avx512vl+avx512dq+avx512bw+fma",
            "x86_64+avx+avx2+bmi1+bmi2+fma",
            "aarch64+neon"
        ))]
        $($function)*
    };
}
pub(crate) use vectorized;

/// Defines a function that replaces each value by a function of it, or of it and the value of another vector.
macro_rules! elementwise {
    ($name:ident, $x:ident => $value:expr) => {
        $crate::vectors::vectorized! {
            fn $name(values: &mut [f32]) {
                for value in values {
                    let $x = *value;
                    *value = $value;
                }
            }
        }
    };
    ($name:ident, $x:ident, $y:ident => $value:expr) => {
        $crate::vectors::vectorized! {
            fn $name(values: &mut [f32], others: &[f32]) {
                for (value, other) in values.iter_mut().zip(others) {
                    let ($x, $y) = (*value, *other);
                    *value = $value;
                }
            }
        }
    };
}
pub(crate) use elementwise;

vectorized! {
    /// `x += y`.
    pub fn add(x: &mut [f32], y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += *y;
        }
    }
}

vectorized! {
    /// `x += factor * y`.
    pub fn add_scaled(x: &mut [f32], factor: f32, y: &[f32]) {
        for (x, y) in x.iter_mut().zip(y) {
            *x += factor * *y;
        }
    }
}

vectorized! {
    /// `sum += x * y`.
    pub fn add_product(sum: &mut [f32], x: &[f32], y: &[f32]) {
        for (sum, (x, y)) in sum.iter_mut().zip(x.iter().zip(y)) {
            *sum += *x * *y;
        }
    }
}

vectorized! {
    /// The sum of products, in `f64`.
    pub fn dot(x: &[f32], y: &[f32]) -> f64 {
        let mut sums = [0.0_f64; LANES];
        let ((left, left_rest), (right, right_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        for (x, y) in left.iter().zip(right) {
            for at in 0..LANES {
                sums[at] += f64::from(x[at]) * f64::from(y[at]);
            }
        }
        let rest = left_rest.iter().zip(right_rest).map(|(x, y)| f64::from(*x) * f64::from(*y));
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    }
}

/// Makes every row of `rows` equal to `row`.
pub fn fill_rows(rows: &mut [f32], row: &[f32]) {
    for target in rows.chunks_exact_mut(row.len()) {
        target.copy_from_slice(row);
    }
}

vectorized! {
    /// Adds the sum of the rows to `sum`, computed in `f64`.
    pub fn add_rows(sum: &mut [f32], rows: &[f32]) {
        column_sums(sum.len(), rows, rows, |at, total| sum[at] += total as f32, |_, x, _| f64::from(x));
    }
}

/// For each column of the rows of `x` and `y`, the sum of `of` its number and its values. To be inlined into a vectorized loop.
#[expect(clippy::inline_always, reason = "only code inlined into a vectorized loop uses its instruction set")]
#[inline(always)]
pub fn column_sums(
    width: usize,
    x: &[f32],
    y: &[f32],
    mut sum: impl FnMut(usize, f64),
    of: impl Fn(usize, f32, f32) -> f64,
) {
    let ends = x.len().min(y.len());
    for start in (0..width).step_by(LANES) {
        let mut sums = [0.0; LANES];
        let lanes = LANES.min(width - start);
        for at in (start..ends).step_by(width) {
            if lanes == LANES {
                let (x, y) = (&x[at..at + LANES], &y[at..at + LANES]);
                for lane in 0..LANES {
                    sums[lane] += of(start + lane, x[lane], y[lane]);
                }
            } else {
                for (lane, total) in sums[..lanes].iter_mut().enumerate() {
                    *total += of(start + lane, x[at + lane], y[at + lane]);
                }
            }
        }
        for (lane, total) in sums[..lanes].iter().enumerate() {
            sum(start + lane, *total);
        }
    }
}

/// Writes exp(value - the largest value). Returns the largest value and the sum. To be inlined into a vectorized loop.
#[expect(clippy::inline_always, reason = "only code inlined into a vectorized loop uses its instruction set")]
#[inline(always)]
pub fn exponentials(values: &[f32], out: &mut [f32]) -> (f32, f64) {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut largest = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for at in 0..LANES {
            largest[at] = if chunk[at] > largest[at] { chunk[at] } else { largest[at] };
        }
    }
    let largest = rest.iter().chain(&largest).copied().fold(f32::NEG_INFINITY, f32::max);
    out.copy_from_slice(values);
    let mut sums = [0.0_f64; LANES];
    let (chunks, rest) = out.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for at in 0..LANES {
            chunk[at] = exponential(chunk[at] - largest);
            sums[at] += f64::from(chunk[at]);
        }
    }
    let mut sum = sums.iter().sum::<f64>();
    for value in rest {
        *value = exponential(*value - largest);
        sum += f64::from(*value);
    }
    (largest, sum)
}

vectorized! {
    /// Replaces each row of `width` values by its softmax. `scratch` has as many values.
    pub fn softmax(values: &mut [f32], width: usize, scratch: &mut [f32]) {
        let scratch = &mut scratch[..width];
        for row in values.chunks_exact_mut(width) {
            let (_, sum) = exponentials(row, scratch);
            let factor = (1.0 / sum) as f32;
            for (value, power) in row.iter_mut().zip(scratch.iter()) {
                *value = *power * factor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            add_product(&mut y, &x, &x);
            assert!((y.iter().map(|y| f64::from(*y)).sum::<f64>() - squares).abs() < 1e-9);
        }
    }

    #[test]
    fn columns_are_summed_for_every_width() {
        for (width, rows) in [(1, 3), (5, 4), (16, 2), (17, 3), (40, 1), (33, 0)] {
            let values: Vec<f32> = (0..width * rows).map(|at| at as f32).collect();
            let mut sums = vec![1.0; width];
            add_rows(&mut sums, &values);
            for (column, sum) in sums.iter().enumerate() {
                let expected: usize = (0..rows).map(|row| row * width + column).sum();
                assert!((sum - 1.0 - expected as f32).abs() < 1e-3, "{width} x {rows}, column {column}");
            }
        }
    }

    #[test]
    fn rows_of_a_softmax_have_the_sum_1() {
        for width in [1, 3, 16, 21, 64] {
            let mut values: Vec<f32> = (0..width * 3).map(|at| (at * 7 % 11) as f32 * 30.0 - 150.0).collect();
            let inputs = values.clone();
            softmax(&mut values, width, &mut vec![0.0; width]);
            for (row, inputs) in values.chunks(width).zip(inputs.chunks(width)) {
                let exact: Vec<f64> = inputs.iter().map(|x| f64::from(*x).exp()).collect();
                let sum: f64 = exact.iter().sum();
                assert!(row.iter().zip(&exact).all(|(p, e)| (f64::from(*p) - e / sum).abs() < 1e-6));
            }
        }
        // A value that is not a number spoils its row, and only that.
        let mut values = [1.0, f32::NAN, 1.0, 1.0];
        softmax(&mut values, 2, &mut [0.0; 2]);
        assert!(values[0].is_nan() && values[1].is_nan() && (values[2] - 0.5).abs() < 1e-6);
    }
}
