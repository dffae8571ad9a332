//! Converts samples to gray, BGR or BGRA bytes.

use mmlrs_core::{Error, Result};
use tiff::decoder::DecodingResult;

use super::header::{Colours, Extra, Header};
use crate::codec::alpha::{bgr_from_cmyk, from_gray_alpha, from_rgba, swap_red_and_blue};
use crate::options::Alpha;

/// Samples, pixel by pixel. Gray samples are scaled to 8 bits; indices of a palette are unchanged.
#[derive(Debug)]
pub struct Samples {
    values: Vec<u16>,
    /// Samples per pixel.
    count: usize,
}

impl Samples {
    /// The samples of a fax: one per pixel, 0 or 1.
    pub fn of_bits(bits: Vec<u8>) -> Self {
        Self { values: bits.into_iter().map(|bit| u16::from(bit) * 255).collect(), count: 1 }
    }

    /// The samples that a decoder returned, `count` per pixel, in one plane or in separate planes.
    pub fn new(values: DecodingResult, header: &Header<'_>, count: usize, planes: usize) -> Result<Self> {
        let numbers = header.colours == Colours::Palette;
        let colour = header.colours == Colours::Rgb;
        let row = if planes > 1 { header.width } else { header.width * count };
        let rows = if planes > 1 { header.height * planes } else { header.height };
        let cut = |v: f64| u16::from(v as u8);
        // As in other libraries, floats of colours are fractions of white, and floats of gray are the value itself.
        let float = |v: f64| if colour { cut(v.clamp(0.0, 1.0) * 255.0 + 0.5) } else { cut(v) };
        let values: Vec<u16> = match values {
            DecodingResult::U8(bytes) if header.bits < 8 => unpack_bits(&bytes, header.bits, row, rows, !numbers),
            DecodingResult::U8(bytes) => bytes.into_iter().map(u16::from).collect(),
            DecodingResult::U16(words) if numbers => words,
            DecodingResult::U16(words) => words.into_iter().map(|v| v >> 8).collect(),
            DecodingResult::I8(bytes) => bytes.into_iter().map(|v| u16::from(v.cast_unsigned())).collect(),
            DecodingResult::I16(words) => words.into_iter().map(|v| v.clamp(0, 255) as u16).collect(),
            DecodingResult::I32(words) => words.into_iter().map(|v| v.clamp(0, 255) as u16).collect(),
            DecodingResult::U32(words) => words.into_iter().map(|v| v.min(255) as u16).collect(),
            DecodingResult::F16(words) => words.into_iter().map(|v| float(f64::from(v))).collect(),
            DecodingResult::F32(words) => words.into_iter().map(|v| float(f64::from(v))).collect(),
            DecodingResult::F64(words) => words.into_iter().map(float).collect(),
            DecodingResult::U64(_) | DecodingResult::I64(_) => {
                return Err(Error::decode("unsupported kind of TIFF: integers of 64 bits"));
            }
        };
        let pixels = header.width * header.height;
        if values.len() < pixels * count {
            return Err(Error::decode("damaged TIFF: it has fewer samples than pixels"));
        }
        if planes <= 1 {
            return Ok(Self { values, count });
        }
        let interleaved = (0..pixels).flat_map(|i| (0..count).map(move |plane| plane * pixels + i));
        Ok(Self { values: interleaved.map(|i| values[i]).collect(), count })
    }

    fn bytes(&self) -> Vec<u8> {
        self.values.iter().map(|v| *v as u8).collect()
    }
}

/// Samples of less than 8 bits. Rows start at a byte boundary. With `fill`, the largest value becomes 255.
fn unpack_bits(bytes: &[u8], bits: usize, row: usize, rows: usize, fill: bool) -> Vec<u16> {
    let max = (1_u16 << bits) - 1;
    let stride = (row * bits).div_ceil(8).max(1);
    let mut values = Vec::with_capacity(row * rows);
    for line in bytes.chunks(stride).take(rows) {
        for x in 0..row {
            let sample = (x * bits..(x + 1) * bits).fold(0_u16, |sample, bit| {
                let byte = line.get(bit / 8).copied().unwrap_or(0);
                sample << 1 | u16::from(byte >> (7 - bit % 8) & 1)
            });
            values.push(if fill { sample * 255 / max } else { sample });
        }
    }
    values
}

/// The channels and bytes of the image.
pub fn to_bytes(samples: &Samples, header: &Header<'_>, alpha: Alpha) -> Result<(usize, Vec<u8>)> {
    match header.colours {
        Colours::Gray { white_is_zero } => {
            let mut bytes = samples.bytes();
            if white_is_zero {
                for value in bytes.iter_mut().step_by(samples.count) {
                    *value = 255 - *value;
                }
            }
            if samples.count == 1 {
                return Ok((1, bytes));
            }
            let opaque = opaque_where_no_alpha(&mut bytes, 2, header.extra);
            Ok(from_gray_alpha(&bytes, if opaque { Alpha::Drop } else { alpha }))
        }
        Colours::Rgb => rgb(samples.bytes(), samples.count, header.extra, alpha),
        Colours::Palette => palette(samples, header, alpha),
        Colours::Cmyk => {
            let count = samples.count;
            let bytes: Vec<u8> = samples.bytes().chunks_exact(count).flat_map(|p| p[..4.min(count)].to_vec()).collect();
            Ok((3, bgr_from_cmyk(&bytes, false)))
        }
        Colours::YCbCr => Ok((3, bgr_from_ycbcr(&samples.bytes()))),
    }
}

/// Divides the colours by associated alpha. Returns true if the extra sample is not alpha.
fn opaque_where_no_alpha(bytes: &mut [u8], count: usize, extra: Extra) -> bool {
    if extra == Extra::AssociatedAlpha {
        for pixel in bytes.chunks_exact_mut(count) {
            let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
            let alpha = u32::from(*alpha);
            for value in colours {
                if let Some(plain) = (u32::from(*value) * 255).checked_div(alpha) {
                    *value = plain.min(255) as u8;
                }
            }
        }
    }
    extra == Extra::Nothing
}

fn rgb(mut bytes: Vec<u8>, count: usize, extra: Extra, alpha: Alpha) -> Result<(usize, Vec<u8>)> {
    match count {
        3 => {
            swap_red_and_blue(&mut bytes);
            Ok((3, bytes))
        }
        4 => {
            opaque_where_no_alpha(&mut bytes, 4, extra);
            Ok(from_rgba(&bytes, alpha))
        }
        other => Err(Error::decode(format!("unsupported kind of TIFF: colours of {other} samples"))),
    }
}

fn palette(samples: &Samples, header: &Header<'_>, alpha: Alpha) -> Result<(usize, Vec<u8>)> {
    let map = header.colour_map()?;
    let colour = |number: u16| map.get(usize::from(number)).copied().unwrap_or_default();
    if samples.count == 1 {
        return Ok((3, samples.values.iter().flat_map(|number| colour(*number)).collect()));
    }
    let pixels = samples.values.chunks_exact(2);
    let rgba: Vec<u8> = pixels
        .flat_map(|pixel| {
            let [blue, green, red] = colour(pixel[0]);
            [red, green, blue, pixel[1] as u8]
        })
        .collect();
    Ok(from_rgba(&rgba, if header.extra == Extra::Nothing { Alpha::Drop } else { alpha }))
}

/// The matrix of JFIF, which is also the default of TIFF.
fn bgr_from_ycbcr(bytes: &[u8]) -> Vec<u8> {
    let (pixels, _) = bytes.as_chunks::<3>();
    let in_range = |v: f32| v.round().clamp(0.0, 255.0) as u8;
    pixels
        .iter()
        .flat_map(|[y, cb, cr]| {
            let (y, cb, cr) = (f32::from(*y), f32::from(*cb) - 128.0, f32::from(*cr) - 128.0);
            [y + 1.772 * cb, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.402 * cr].map(in_range)
        })
        .collect()
}
