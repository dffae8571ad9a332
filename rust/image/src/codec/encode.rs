//! Images to encoded bytes.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use mmlrs_core::{Error, Result};
use turbojpeg::{PixelFormat, Subsamp};

use super::alpha::swap_red_and_blue;
use crate::image::ImageView;

/// Encodes an image as `"jpeg"` (quality 1 to 100, 4:2:0, alpha dropped) or `"png"` (lossless; quality has no meaning).
pub fn encode(image: ImageView<'_>, format: &str, quality: u8) -> Result<Vec<u8>> {
    match format.to_ascii_lowercase().as_str() {
        "jpeg" | "jpg" => encode_jpeg(image, quality),
        "png" => encode_png(image),
        other => Err(Error::param("format", format!("must be one of \"jpeg\", \"png\", got {other:?}"))),
    }
}

fn encode_jpeg(image: ImageView<'_>, quality: u8) -> Result<Vec<u8>> {
    if !(1..=100).contains(&quality) {
        return Err(Error::param("quality", format!("must be between 1 and 100, got {quality}")));
    }
    let (format, subsamp) = match image.channels() {
        1 => (PixelFormat::GRAY, Subsamp::Gray),
        3 => (PixelFormat::BGR, Subsamp::Sub2x2),
        _ => (PixelFormat::BGRX, Subsamp::Sub2x2),
    };
    let source = turbojpeg::Image {
        pixels: image.data(),
        width: image.width(),
        pitch: image.width() * image.channels(),
        height: image.height(),
        format,
    };
    let encoded = turbojpeg::compress(source, i32::from(quality), subsamp)
        .map_err(|e| Error::runtime(format!("libjpeg-turbo: {e}")))?;
    Ok(encoded.to_vec())
}

fn encode_png(image: ImageView<'_>) -> Result<Vec<u8>> {
    let mut pixels = image.data().to_vec();
    let color = match image.channels() {
        1 => ExtendedColorType::L8,
        3 => {
            swap_red_and_blue(&mut pixels);
            ExtendedColorType::Rgb8
        }
        _ => {
            let (quads, _) = pixels.as_chunks_mut::<4>();
            for [b, _, r, _] in quads {
                std::mem::swap(b, r);
            }
            ExtendedColorType::Rgba8
        }
    };
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(&pixels, image.width() as u32, image.height() as u32, color)
        .map_err(|e| Error::runtime(format!("PNG: {e}")))?;
    Ok(out)
}
