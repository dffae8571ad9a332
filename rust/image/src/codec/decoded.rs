//! A decoded image, its limits and its orientation.

use image::metadata::Orientation;
use mmlrs_core::{Error, Result};

use super::orient::{self, swaps_axes};
use crate::image::Image;
use crate::options::DecodeOptions;

/// A decoded image, possibly at a reduced scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, with the orientation applied.
    pub image: Image,
    /// Height of the image at full scale.
    pub full_height: usize,
    /// Width of the image at full scale.
    pub full_width: usize,
}

/// The size to which an image of a given height and width will be resized.
pub type TargetSize<'a> = dyn Fn(usize, usize) -> (usize, usize) + 'a;

/// Checks the limits against the size in the header.
pub fn check_limits(width: u64, height: u64, channels: u64, options: &DecodeOptions) -> Result<()> {
    let pixels = width.saturating_mul(height);
    if pixels > options.max_pixels {
        return Err(Error::limit(format!(
            "image of {width} x {height} pixels exceeds maxPixels of {}",
            options.max_pixels
        )));
    }
    let bytes = pixels.saturating_mul(channels);
    if bytes > options.max_bytes {
        return Err(Error::limit(format!(
            "decoded image of {width} x {height} pixels needs {bytes} bytes, more than maxBytes of {}",
            options.max_bytes
        )));
    }
    Ok(())
}

/// Applies the orientation to image and full size.
pub fn oriented(image: Image, full: (usize, usize), orientation: Orientation) -> Result<Decoded> {
    let (full_height, full_width) = if swaps_axes(orientation) { (full.1, full.0) } else { full };
    Ok(Decoded { image: orient::apply(image, orientation)?, full_height, full_width })
}
