//! Lanczos resampling of gray planes with the weights and the rounding of Pillow, so that hashes are equal to those that other
//! programs store: weights of 22 bits, first along the rows, then along the columns, each rounded to bytes.

use std::f64::consts::PI;

/// Number of bits after the point of a weight.
const PRECISION: i32 = 22;
/// Reach of the filter, in output pixels.
const REACH: f64 = 3.0;

/// The source positions of one output position, and their weights.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

/// The filter: a sinc that is windowed by a wider one.
fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-REACH..REACH).contains(&x) { sinc(x) * sinc(x / REACH) } else { 0.0 }
}

/// The taps of a resize from `size` to `target` samples. The window grows with the factor by which the size shrinks.
fn taps(size: usize, target: usize) -> Vec<Tap> {
    let scale = size as f64 / target as f64;
    let window = scale.max(1.0);
    let support = REACH * window;
    (0..target)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(size);
            let weights: Vec<f64> = (first..end).map(|k| lanczos((k as f64 - centre + 0.5) * (1.0 / window))).collect();
            let total: f64 = weights.iter().sum();
            let fixed = |weight: f64| {
                let scaled = if total == 0.0 { weight } else { weight / total } * f64::from(1 << PRECISION);
                (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i32
            };
            Tap { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

/// A weighted sum as a byte.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resizes `height` rows of `width` bytes to `target` = (rows, columns).
pub fn resize(gray: &[u8], (height, width): (usize, usize), target: (usize, usize)) -> Vec<u8> {
    // Pillow 13 resizes the columns of tall images first. Earlier versions always begin with the rows.
    let tall = height > target.0 && height + 2 * target.1 > 2 * width + target.0;
    if tall {
        along_rows(&along_columns(gray, (height, width), target.0), width, target.1)
    } else {
        along_columns(&along_rows(gray, width, target.1), (height, target.1), target.0)
    }
}

const HALF: i32 = 1 << (PRECISION - 1);

fn along_rows(plane: &[u8], width: usize, target: usize) -> Vec<u8> {
    if width == target {
        return plane.to_vec();
    }
    let taps = taps(width, target);
    let sum = |row: &[u8], tap: &Tap| {
        row[tap.first..].iter().zip(&tap.weights).fold(HALF, |sum, (value, weight)| sum + i32::from(*value) * weight)
    };
    plane.chunks_exact(width).flat_map(|row| taps.iter().map(move |tap| byte(sum(row, tap)))).collect()
}

fn along_columns(plane: &[u8], (height, width): (usize, usize), target: usize) -> Vec<u8> {
    if height == target {
        return plane.to_vec();
    }
    let mut sums = vec![0; width];
    let mut out = Vec::with_capacity(target * width);
    for tap in taps(height, target) {
        sums.fill(HALF);
        for (row, weight) in plane.chunks_exact(width).skip(tap.first).zip(&tap.weights) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += i32::from(*value) * weight);
        }
        out.extend(sums.iter().map(|sum| byte(*sum)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_plane_stays_flat_and_an_equal_size_is_a_copy() {
        assert_eq!(resize(&[77; 60], (6, 10), (3, 4)), [77; 12]);
        assert_eq!(resize(&[1, 2, 3, 4], (2, 2), (2, 2)), [1, 2, 3, 4]);
        assert_eq!(resize(&[10, 20], (1, 2), (3, 5)).len(), 15);
    }
}
