//! Decoding of all formats except JPEG and TIFF with the `image` crate, and of JPEGs that libjpeg-turbo cannot read.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use mmlrs_core::{Error, Result};

use super::decoded::{Decoded, check_limits, oriented};
use super::markers::has_end;
use super::orientation::stated;
use super::{alpha, exif};
use crate::image::Image;
use crate::options::{Alpha, DecodeOptions};

/// Decodes to gray, BGR or BGRA.
pub fn decode(bytes: &[u8], format: ImageFormat, options: &DecodeOptions) -> Result<Decoded> {
    if format == ImageFormat::Jpeg && !has_end(bytes) {
        return Err(Error::decode("truncated JPEG: no end of image"));
    }
    let failed = |error: ImageError| failure(format, &error);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(options));
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let channels = u64::from(decoder.color_type().channel_count());
    check_limits(u64::from(width), u64::from(height), channels, options)?;
    let orientation =
        if options.apply_exif_orientation { stated(exif::blocks(bytes, format)) } else { Orientation::NoTransforms };
    let pixels = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let size = (height as usize, width as usize);
    oriented(to_image(pixels, size, options.alpha)?, size, orientation)
}

/// The decoders' own limits. 16-bit pixels and work buffers need more memory than the 8-bit result.
fn limits(options: &DecodeOptions) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(options.max_bytes.saturating_mul(4).max(64 << 20));
    limits
}

fn to_image(pixels: DynamicImage, (height, width): (usize, usize), alpha: Alpha) -> Result<Image> {
    let (channels, data) = match pixels.color() {
        ColorType::L8 => (1, pixels.into_bytes()),
        ColorType::L16 => (1, high_bytes(pixels.to_luma16().as_raw())),
        ColorType::La8 => alpha::from_gray_alpha(pixels.as_bytes(), alpha),
        ColorType::La16 => alpha::from_gray_alpha(&high_bytes(pixels.to_luma_alpha16().as_raw()), alpha),
        ColorType::Rgba8 => alpha::from_rgba(pixels.as_bytes(), alpha),
        ColorType::Rgba16 => alpha::from_rgba(&high_bytes(pixels.to_rgba16().as_raw()), alpha),
        ColorType::Rgba32F => alpha::from_rgba(pixels.to_rgba8().as_raw(), alpha),
        color => {
            let mut data = match color {
                ColorType::Rgb16 => high_bytes(pixels.to_rgb16().as_raw()),
                _ => pixels.into_rgb8().into_raw(),
            };
            alpha::swap_red_and_blue(&mut data);
            (3, data)
        }
    };
    Image::new(height, width, channels, data)
}

/// 16-bit values as 8 bits, converted as in OpenCV and libpng: the low byte is dropped.
pub(super) fn high_bytes(values: &[u16]) -> Vec<u8> {
    values.iter().map(|v| (v >> 8) as u8).collect()
}

/// The error of a decoder.
pub fn failure(format: ImageFormat, error: &ImageError) -> Error {
    let name = name_of(format);
    match error {
        ImageError::Limits(limit) => Error::limit(format!("{name}: {limit}")),
        ImageError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::decode(format!("truncated {name}: {cause}"))
        }
        _ => damaged(format, error),
    }
}

/// The error for a file that cannot be decoded.
pub fn damaged(format: ImageFormat, cause: &dyn std::fmt::Display) -> Error {
    Error::decode(format!("damaged or unsupported {}: {cause}", name_of(format)))
}

fn name_of(format: ImageFormat) -> String {
    format.extensions_str().first().copied().unwrap_or("image").to_uppercase()
}
