//! Separable resizing of 8-bit planes: the mean over the covered area when shrinking, linear when enlarging.
//!
//! For each output row the covered source rows are summed with their weights, in a loop over contiguous bytes that vectorises.
//! Then the columns of that one row of floats are summed. The hot function is compiled for several instruction sets, one of
//! which is chosen at run time.

#![expect(clippy::inline_always, reason = "only code inlined into the multiversioned loop uses its instruction set")]

use multiversion::multiversion;

/// The source positions of every output position and their weights. All output positions have the same number of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Taps {
    start: Vec<u32>,
    weights: Vec<f32>,
    len: usize,
}

impl Taps {
    /// From `size` samples, of which `extent` belong to the image (less than `size` if the last one belongs to it only in
    /// part), to `target` samples. The coverage and the half-pixel rule are those of `cv2.INTER_AREA` and `cv2.INTER_LINEAR`.
    pub fn new(size: usize, extent: f64, target: usize) -> Self {
        let scale = extent / target as f64;
        let len = if scale > 1.0 { (scale.ceil() as usize + 1).min(size) } else { 2.min(size) };
        let mut taps = Self { start: Vec::with_capacity(target), weights: Vec::with_capacity(target * len), len };
        for i in 0..target {
            if scale > 1.0 {
                taps.push_area(i, scale, size);
            } else {
                taps.push_linear(i, scale, size);
            }
        }
        taps
    }

    fn push_area(&mut self, i: usize, scale: f64, size: usize) {
        let from = i as f64 * scale;
        let to = (from + scale).min(size as f64);
        let first = (from + 1e-9).floor() as usize;
        let start = first.min(size - self.len);
        self.start.push(start as u32);
        for k in start..start + self.len {
            let covered = (to.min((k + 1) as f64) - from.max(k as f64)).max(0.0);
            self.weights.push((covered / (to - from)) as f32);
        }
    }

    fn push_linear(&mut self, i: usize, scale: f64, size: usize) {
        let position = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, (size - 1) as f64);
        let start = (position.floor() as usize).min(size - self.len);
        self.start.push(start as u32);
        for k in start..start + self.len {
            self.weights.push((1.0 - (position - k as f64).abs()).max(0.0) as f32);
        }
    }

    /// The source positions of an output position that have a weight, at least one.
    #[inline(always)]
    fn covered(&self, i: usize) -> (usize, &[f32]) {
        let (start, weights) = self.at(i);
        let first = weights.iter().position(|weight| *weight != 0.0).unwrap_or(0);
        let end = weights.iter().rposition(|weight| *weight != 0.0).map_or(1, |last| last + 1);
        (start + first, &weights[first..end])
    }

    #[inline(always)]
    fn at(&self, i: usize) -> (usize, &[f32]) {
        (self.start[i] as usize, &self.weights[i * self.len..(i + 1) * self.len])
    }
}

/// A plane of samples, possibly with interleaved channels, and its resampling.
#[derive(Debug)]
pub struct Plane<'a> {
    pub data: &'a [u8],
    /// Number of bytes from one row to the next.
    pub stride: usize,
    /// Number of pixels in a row.
    pub width: usize,
    /// Number of interleaved channels.
    pub channels: usize,
    pub vertical: Taps,
    pub horizontal: Taps,
}

/// Resizes a plane by the mean over the covered area, to `height` x `width` pixels with interleaved channels.
///
/// Equal to `cv2.INTER_AREA`, except that a mean close to a half may be rounded differently.
#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma", "aarch64+neon"))]
pub fn shrink(plane: &Plane<'_>, height: usize, width: usize, out: &mut [u8]) {
    let mut sums = vec![0.0; plane.width * plane.channels];
    let mut rows = vec![0.0; plane.channels * width];
    for (y, line) in out.chunks_exact_mut(width * plane.channels).take(height).enumerate() {
        sum_rows(plane, y, &mut sums);
        sum_columns(plane, &sums, &mut rows);
        match plane.channels {
            1 => interleave::<1>(&rows, line),
            3 => interleave::<3>(&rows, line),
            _ => interleave::<4>(&rows, line),
        }
    }
}

/// Writes the rows of `C` channels as pixels, rounded to the nearest byte.
#[inline(always)]
fn interleave<const C: usize>(rows: &[f32], line: &mut [u8]) {
    let width = line.len() / C;
    let (pixels, _) = line.as_chunks_mut::<C>();
    for (x, pixel) in pixels.iter_mut().enumerate() {
        for channel in 0..C {
            pixel[channel] = rounded(rows[channel * width + x]);
        }
    }
}

/// The nearest byte to a mean of bytes. The sum has no room for a fraction, so that its last bits are the rounded number.
#[inline(always)]
fn rounded(value: f32) -> u8 {
    const ULP_OF_ONE: f32 = 8_388_608.0;
    (value + ULP_OF_ONE).to_bits() as u8
}

/// Sums the rows that row `y` of the result covers.
#[inline(always)]
pub fn sum_rows(plane: &Plane<'_>, y: usize, sums: &mut [f32]) {
    let (start, weights) = plane.vertical.covered(y);
    let width = sums.len();
    let row = |k: usize| &plane.data[(start + k) * plane.stride..][..width];
    let mut k = 0;
    let mut fresh = true;
    while k < weights.len() {
        // One pass for up to four rows, since a pass reads and writes all sums.
        k += match weights[k..] {
            [w0, w1, w2, w3, ..] => {
                add_rows(sums, [row(k), row(k + 1), row(k + 2), row(k + 3)], [w0, w1, w2, w3], fresh);
                4
            }
            [w0, w1, w2] => {
                add_rows(sums, [row(k), row(k + 1), row(k + 2)], [w0, w1, w2], fresh);
                3
            }
            [w0, w1] => {
                add_rows(sums, [row(k), row(k + 1)], [w0, w1], fresh);
                2
            }
            [w0] => {
                add_rows(sums, [row(k)], [w0], fresh);
                1
            }
            [] => break,
        };
        fresh = false;
    }
}

#[inline(always)]
fn add_rows<const N: usize>(sums: &mut [f32], rows: [&[u8]; N], weights: [f32; N], fresh: bool) {
    let rows = rows.map(|row| &row[..sums.len()]);
    if fresh {
        for (x, sum) in sums.iter_mut().enumerate() {
            let mut value = 0.0;
            for n in 0..N {
                value += f32::from(rows[n][x]) * weights[n];
            }
            *sum = value;
        }
    } else {
        for (x, sum) in sums.iter_mut().enumerate() {
            let mut value = *sum;
            for n in 0..N {
                value += f32::from(rows[n][x]) * weights[n];
            }
            *sum = value;
        }
    }
}

/// Sums the columns of one row of sums, into one row for each channel.
#[inline(always)]
pub fn sum_columns(plane: &Plane<'_>, sums: &[f32], rows: &mut [f32]) {
    match (plane.channels, plane.horizontal.len) {
        (1, 1) => columns::<1, 1>(&plane.horizontal, sums, rows),
        (1, 2) => columns::<1, 2>(&plane.horizontal, sums, rows),
        (1, 3) => columns::<1, 3>(&plane.horizontal, sums, rows),
        (1, 4) => columns::<1, 4>(&plane.horizontal, sums, rows),
        (1, 5) => columns::<1, 5>(&plane.horizontal, sums, rows),
        (3, 1) => columns::<3, 1>(&plane.horizontal, sums, rows),
        (3, 2) => columns::<3, 2>(&plane.horizontal, sums, rows),
        (3, 3) => columns::<3, 3>(&plane.horizontal, sums, rows),
        (3, 4) => columns::<3, 4>(&plane.horizontal, sums, rows),
        (3, 5) => columns::<3, 5>(&plane.horizontal, sums, rows),
        (4, 2) => columns::<4, 2>(&plane.horizontal, sums, rows),
        (4, 3) => columns::<4, 3>(&plane.horizontal, sums, rows),
        (4, 4) => columns::<4, 4>(&plane.horizontal, sums, rows),
        (4, 5) => columns::<4, 5>(&plane.horizontal, sums, rows),
        (channels, _) => any_columns(channels, &plane.horizontal, sums, rows),
    }
}

/// `C` interleaved channels, `N` taps.
#[inline(always)]
fn columns<const C: usize, const N: usize>(taps: &Taps, sums: &[f32], rows: &mut [f32]) {
    let width = taps.start.len();
    let (weights, _) = taps.weights.as_chunks::<N>();
    for (x, (start, weights)) in taps.start.iter().zip(weights).enumerate() {
        let window = &sums[*start as usize * C..][..N * C];
        for channel in 0..C {
            let mut value = 0.0;
            for n in 0..N {
                value += window[n * C + channel] * weights[n];
            }
            rows[channel * width + x] = value;
        }
    }
}

#[inline(always)]
fn any_columns(channels: usize, taps: &Taps, sums: &[f32], rows: &mut [f32]) {
    let width = taps.start.len();
    for x in 0..width {
        let (start, weights) = taps.at(x);
        let window = &sums[start * channels..];
        for channel in 0..channels {
            let values = window[channel..].iter().step_by(channels);
            rows[channel * width + x] = values.zip(weights).map(|(v, w)| v * w).sum();
        }
    }
}
