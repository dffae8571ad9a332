//! Encoded bytes to images and back.

mod alpha;
mod blocks;
mod decoded;
mod encode;
mod exif;
mod formats;
mod ifd;
pub(crate) mod jpeg;
mod markers;
mod metadata;
mod orient;
mod orientation;
mod other;
#[cfg(test)]
mod tests;
mod tiff;

use image::ImageFormat;
use mmlrs_core::{Counter, Error, Result, guarded};

use crate::image::Image;
use crate::options::DecodeOptions;

pub(crate) use decoded::check_limits;
pub use decoded::{Decoded, TargetSize};
pub use encode::encode;
pub use metadata::{Metadata, metadata};
pub(crate) use orient::swaps_axes;

/// Decodes encoded bytes at full scale. Gray stays 1 channel, colour becomes BGR, and the options decide about alpha.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Image> {
    Ok(decode_any(bytes, options, None)?.image)
}

/// Decodes an image that will be resized. A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, the smallest scale that leaves
/// at least 1.7 times the target size in both dimensions.
pub fn decode_for(bytes: &[u8], options: &DecodeOptions, target: &TargetSize<'_>) -> Result<Decoded> {
    decode_any(bytes, options, options.scaled_decode.then_some(target))
}

fn decode_any(bytes: &[u8], options: &DecodeOptions, target: Option<&TargetSize<'_>>) -> Result<Decoded> {
    let format = sniff(bytes, options)?;
    let decoded = guarded(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, options, target),
        ImageFormat::Tiff => tiff::decode(bytes, options),
        format => other::decode(bytes, format, options),
    });
    let decoded = decoded.unwrap_or_else(|panic| Err(other::damaged(format, &panic)))?;
    Counter::ImageDecodes.add(1);
    Ok(decoded)
}

/// The format by magic bytes, after the number of bytes is checked.
pub(crate) fn sniff(bytes: &[u8], options: &DecodeOptions) -> Result<ImageFormat> {
    if bytes.is_empty() {
        return Err(Error::decode("not an image: 0 bytes"));
    }
    if bytes.len() as u64 > options.max_bytes {
        return Err(Error::limit(format!(
            "encoded image of {} bytes exceeds maxBytes of {}",
            bytes.len(),
            options.max_bytes
        )));
    }
    formats::recognize(bytes)
}
