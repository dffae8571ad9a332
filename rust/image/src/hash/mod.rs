//! Perceptual hashes: bits that stay equal, or nearly so, when an image is scaled, compressed or slightly changed.

mod lanczos;

use std::f64::consts::PI;
use std::fmt::Write;

use crate::image::ImageView;

/// How the bits are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The low frequencies of a cosine transform, compared with their median.
    Frequency,
    /// Whether the image becomes brighter from left to right.
    Difference,
    /// Whether a part is brighter than the mean.
    Average,
}

/// Side of the square that the cosine transform reads, in hash sides.
const FREQUENCY_FACTOR: usize = 4;

impl Method {
    /// The bits of an image, row by row: `size` x `size`.
    pub fn bits(self, image: ImageView<'_>, size: usize) -> Vec<bool> {
        let gray = to_gray(image);
        let shrunk = |target| lanczos::resize(&gray, (image.height(), image.width()), target);
        match self {
            Self::Frequency => frequencies(&shrunk((size * FREQUENCY_FACTOR, size * FREQUENCY_FACTOR)), size),
            Self::Difference => {
                let plane = shrunk((size, size + 1));
                plane.chunks_exact(size + 1).flat_map(|row| row.windows(2).map(|pair| pair[1] > pair[0])).collect()
            }
            Self::Average => {
                let plane = shrunk((size, size));
                let sum: u64 = plane.iter().map(|value| u64::from(*value)).sum();
                plane.iter().map(|value| u64::from(*value) * plane.len() as u64 > sum).collect()
            }
        }
    }
}

/// Bits as hexadecimal digits, the first bit highest, as `str` of the package imagehash writes them.
pub fn hex(bits: &[bool]) -> String {
    let missing = bits.len().next_multiple_of(4) - bits.len();
    let padded: Vec<bool> = std::iter::repeat_n(false, missing).chain(bits.iter().copied()).collect();
    let (digits, _) = padded.as_chunks::<4>();
    digits.iter().fold(String::with_capacity(digits.len()), |mut text, digit| {
        let value = digit.iter().fold(0, |value, bit| value << 1 | u8::from(*bit));
        let _ = write!(text, "{value:x}");
        text
    })
}

/// Luma of ITU-R 601-2 with 16 bits, as Pillow's mode "L". Alpha is ignored.
fn to_gray(image: ImageView<'_>) -> Vec<u8> {
    let channels = image.channels();
    if channels == 1 {
        return image.data().to_vec();
    }
    let luma = |pixel: &[u8]| {
        let [blue, green, red] = [0, 1, 2].map(|i| u32::from(pixel[i]));
        ((red * 19_595 + green * 38_470 + blue * 7_471 + 0x8000) >> 16) as u8
    };
    image.data().chunks_exact(channels).map(luma).collect()
}

/// Whether each of the lowest `size` x `size` frequencies exceeds their median. The transform is the type-II cosine transform,
/// along the columns, then along the rows.
fn frequencies(plane: &[u8], size: usize) -> Vec<bool> {
    let points = size * FREQUENCY_FACTOR;
    let wave = |k: usize, n: usize| 2.0 * (PI * (k * (2 * n + 1)) as f64 / (2 * points) as f64).cos();
    let waves: Vec<f64> = (0..size).flat_map(|k| (0..points).map(move |n| wave(k, n))).collect();
    let mut columns = vec![0.0; size * points];
    for (k, line) in columns.chunks_exact_mut(points).enumerate() {
        for (n, row) in plane.chunks_exact(points).enumerate() {
            let weight = waves[k * points + n];
            line.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
        }
    }
    let low: Vec<f64> = columns
        .chunks_exact(points)
        .flat_map(|line| {
            waves.chunks_exact(points).map(move |wave| {
                let sum: f64 = wave.iter().zip(line).map(|(weight, value)| weight * value).sum();
                // What is only rounding is zero, as in an image without texture.
                if sum.abs() < 1e-8 * points as f64 { 0.0 } else { sum }
            })
        })
        .collect();
    let mut sorted = low.clone();
    sorted.sort_by(f64::total_cmp);
    let (left, right) = (sorted[(low.len() - 1) / 2], sorted[low.len() / 2]);
    let median = f64::midpoint(left, right);
    low.into_iter().map(|value| value > median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_digits_with_the_first_bit_highest() {
        assert_eq!(hex(&[true, false, false, false, true, true, true, true]), "8f");
        assert_eq!(hex(&[true; 9]), "1ff");
    }

    #[test]
    fn gradients_and_flat_images_have_the_bits_that_they_should() -> mmlrs_core::Result<()> {
        let ramp: Vec<u8> = (0..32 * 32).map(|i| (i % 32 * 8) as u8).collect();
        let ramp = ImageView::new(32, 32, 1, &ramp)?;
        assert!(Method::Difference.bits(ramp, 8).iter().all(|bit| *bit));
        assert_eq!(Method::Average.bits(ramp, 8).iter().filter(|bit| **bit).count(), 32);
        let flat = ImageView::new(20, 20, 3, &[90; 1200])?;
        assert!(Method::Difference.bits(flat, 8).iter().chain(&Method::Average.bits(flat, 8)).all(|bit| !bit));
        assert_eq!(hex(&Method::Frequency.bits(flat, 8)), "8000000000000000");
        Ok(())
    }
}
