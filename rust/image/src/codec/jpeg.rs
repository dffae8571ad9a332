//! JPEG decoding with libjpeg-turbo, one decompressor per thread.

use std::cell::RefCell;

use image::ImageFormat;
use image::metadata::Orientation;
use mmlrs_core::{Error, Result};
use turbojpeg::{Colorspace, DecompressHeader, Decompressor, PixelFormat, ScalingFactor};

use super::decoded::{Decoded, TargetSize, check_limits, oriented};
use super::markers::{Markers, has_end, scan};
use super::orient::swaps_axes;
use super::orientation::stated;
use super::{alpha, formats, other};
use crate::image::Image;
use crate::options::DecodeOptions;

/// Minimum ratio of a reduced-scale decode to the target size.
const MARGIN: f64 = 1.7;
/// Maximum number of scans. A progressive file with more is an attack, not an image. Large files may have fewer, since every
/// scan covers all pixels.
const MAX_SCANS: u32 = 500;
/// Maximum product of scans and pixels, except for files with as few scans as real ones have.
const MAX_SCANNED: u64 = 1 << 31;
const MAX_SCANS_OF_LARGE: u32 = 32;

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
}

/// The properties of a JPEG before it is decoded.
pub(crate) struct Header {
    pub jpeg: DecompressHeader,
    pub adobe: bool,
    /// The orientation to apply; upright if the options ignore it.
    pub orientation: Orientation,
}

impl Header {
    /// Height and width upright.
    pub fn upright_size(&self) -> (usize, usize) {
        let DecompressHeader { height, width, .. } = self.jpeg;
        if swaps_axes(self.orientation) { (width, height) } else { (height, width) }
    }

    /// The scale at which to decode for a resize to `target` (upright height and width).
    pub fn scale_for(&self, target: (usize, usize)) -> ScalingFactor {
        let (height, width) = self.upright_size();
        let enough = |size: usize, target: usize| size as f64 >= MARGIN * target as f64;
        [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF]
            .into_iter()
            .filter(|_| !self.jpeg.is_lossless)
            .find(|s| enough(s.scale(height), target.0) && enough(s.scale(width), target.1))
            .unwrap_or(ScalingFactor::ONE)
    }
}

/// Runs `f` with this thread's decompressor. After an error a new one is created: the library leaves the old one in the middle
/// of the bad file, and the next image would be read as its continuation.
pub(crate) fn with_decompressor<T>(f: impl FnOnce(&mut Decompressor) -> Result<T>) -> Result<T> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            let fresh = Decompressor::new().map_err(|e| Error::runtime(format!("libjpeg-turbo: {e}")))?;
            *slot = Some(fresh);
        }
        let result = slot.as_mut().map_or_else(|| Err(Error::runtime("libjpeg-turbo: no decompressor")), f);
        if result.is_err() {
            *slot = None;
        }
        result
    })
}

/// Reads the header and checks the limits. `None` if only the other decoder can read the file.
pub(crate) fn read_header(
    decompressor: &mut Decompressor,
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<Option<Header>> {
    let Markers { blocks, adobe, complete_header, near_lossless, .. } = scan(bytes);
    if near_lossless {
        return Err(formats::refused("JPEG-LS", "convert it to PNG first, for instance with pillow-jpls"));
    }
    if !complete_header {
        return Err(Error::decode("truncated JPEG: it ends before the image begins"));
    }
    let jpeg = match decompressor.read_header(bytes) {
        Ok(header) => header,
        Err(error) if is_harmless(&error, bytes) => return Ok(None),
        Err(error) => return Err(damaged(&error)),
    };
    let channels = if jpeg.colorspace == Colorspace::Gray { 1 } else { 3 };
    check_limits(jpeg.width as u64, jpeg.height as u64, channels, options)?;
    let pixels = (jpeg.width as u64).saturating_mul(jpeg.height as u64).max(1);
    let scans = (MAX_SCANNED / pixels).clamp(u64::from(MAX_SCANS_OF_LARGE), u64::from(MAX_SCANS)) as u32;
    decompressor.set_scan_limit(scans).map_err(|e| Error::runtime(format!("libjpeg-turbo: {e}")))?;
    let orientation = if options.apply_exif_orientation { stated(blocks) } else { Orientation::NoTransforms };
    Ok(Some(Header { jpeg, adobe, orientation }))
}

/// Sets the scale of the next decode.
pub(crate) fn set_scale(decompressor: &mut Decompressor, scale: ScalingFactor) -> Result<()> {
    decompressor.set_scaling_factor(scale).map_err(|e| Error::runtime(format!("libjpeg-turbo: {e}")))
}

/// Accepts a decode that succeeded or had only a harmless warning.
pub(crate) fn judge(result: turbojpeg::Result<()>, bytes: &[u8]) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if is_harmless(&error, bytes) => Ok(()),
        Err(error) => Err(damaged(&error)),
    }
}

fn damaged(error: &turbojpeg::Error) -> Error {
    let text = match error {
        turbojpeg::Error::TurboJpegError(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains("Premature end") || text.contains("premature end") {
        return Error::decode(format!("truncated JPEG: {text}"));
    }
    Error::decode(format!("damaged JPEG: {text}"))
}

/// Whether a warning leaves every pixel correct. The library reports any warning as a failure. It reports only the first one,
/// so the end-of-image marker must be present too.
fn is_harmless(error: &turbojpeg::Error, bytes: &[u8]) -> bool {
    const HARMLESS: [&str; 4] =
        ["extraneous bytes before marker", "unknown JFIF revision", "Adobe color transform", "Invalid SOS parameters"];
    matches!(error, turbojpeg::Error::TurboJpegError(text) if HARMLESS.iter().any(|h| text.contains(h)))
        && has_end(bytes)
}

/// Decodes to gray or BGR.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions, target: Option<&TargetSize<'_>>) -> Result<Decoded> {
    with_decompressor(|decompressor| {
        let Some(header) = read_header(decompressor, bytes, options)? else {
            return other::decode(bytes, ImageFormat::Jpeg, options);
        };
        let scale = target.map_or(ScalingFactor::ONE, |target| {
            let (height, width) = header.upright_size();
            header.scale_for(target(height, width))
        });
        set_scale(decompressor, scale)?;
        let image = pixels(decompressor, bytes, &header, scale)?;
        oriented(image, (header.jpeg.height, header.jpeg.width), header.orientation)
    })
}

fn pixels(decompressor: &mut Decompressor, bytes: &[u8], header: &Header, scale: ScalingFactor) -> Result<Image> {
    let DecompressHeader { width, height, .. } = header.jpeg.scaled(scale);
    let format = match header.jpeg.colorspace {
        Colorspace::Gray => PixelFormat::GRAY,
        Colorspace::RGB | Colorspace::YCbCr => PixelFormat::BGR,
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
    };
    let pitch = width * format.size();
    let mut pixels = vec![0; height * pitch];
    let out = turbojpeg::Image { pixels: pixels.as_mut_slice(), width, pitch, height, format };
    judge(decompressor.decompress(bytes, out), bytes)?;
    match format {
        PixelFormat::GRAY => Image::new(height, width, 1, pixels),
        PixelFormat::CMYK => Image::new(height, width, 3, alpha::bgr_from_cmyk(&pixels, header.adobe)),
        _ => Image::new(height, width, 3, pixels),
    }
}
