//! TIFF decoding with the `tiff` crate, which unpacks strips, tiles and planes. The samples are interpreted here.
//!
//! The crate does not support palettes, reversed bit order or group 3 faxes. Samples of a palette are numbers like gray ones,
//! and reversed bits can be turned around, so both are read from a copy of the file with changed tags.

mod fax;
mod header;
mod pixels;

use std::io::Cursor;

use image::ImageFormat;
use image::metadata::Orientation;
use mmlrs_core::{Error, Result};
use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use super::decoded::{Decoded, check_limits, oriented};
use super::exif::blocks;
use super::orientation::stated;
use crate::image::Image;
use crate::options::DecodeOptions;
use header::{Colours, Compression, Header};
use pixels::Samples;

/// Decodes the first image of a file to gray, BGR or BGRA.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded> {
    let header = Header::read(bytes)?;
    check_limits(header.width as u64, header.height as u64, header.channels() as u64, options)?;
    let samples = match header.compression {
        Compression::Fax3 => fax::unpack(bytes, &header)?,
        Compression::Other => unpack(bytes, &header, options)?,
    };
    let (channels, data) = pixels::to_bytes(&samples, &header, options.alpha)?;
    let image = Image::new(header.height, header.width, channels, data)?;
    let orientation = if options.apply_exif_orientation {
        stated(blocks(bytes, ImageFormat::Tiff))
    } else {
        Orientation::NoTransforms
    };
    oriented(image, (header.height, header.width), orientation)
}

/// The samples, one value each, pixel by pixel.
fn unpack(bytes: &[u8], header: &Header, options: &DecodeOptions) -> Result<Samples> {
    let readable = header.readable(bytes);
    let decoder = Decoder::new(Cursor::new(readable.as_ref())).map_err(|e| failure(&e))?;
    let mut decoder = decoder.with_limits(limits(options));
    let layout = decoder.image_buffer_layout().map_err(|e| failure(&e))?;
    let mut values = DecodingResult::U8(Vec::new());
    decoder.read_image_to_buffer(&mut values).map_err(|e| failure(&e))?;
    // The crate omits extra samples that are not alpha.
    let samples = match header.colours {
        Colours::Rgb | Colours::YCbCr | Colours::Cmyk => {
            let read = decoder.colortype().map_err(|e| failure(&e))?;
            usize::from(read.num_samples())
        }
        _ => header.samples,
    };
    Samples::new(values, header, samples, layout.planes)
}

/// The decoder's own limits. Samples may have 64 bits.
fn limits(options: &DecodeOptions) -> Limits {
    let mut limits = Limits::default();
    let max_buffer = usize::try_from(options.max_bytes.saturating_mul(8).max(64 << 20)).unwrap_or(usize::MAX);
    limits.decoding_buffer_size = max_buffer;
    limits.intermediate_buffer_size = max_buffer;
    limits.ifd_value_size = 64 << 20;
    limits
}

fn failure(error: &TiffError) -> Error {
    match error {
        TiffError::LimitsExceeded => Error::limit("TIFF: the file needs more memory than maxBytes allows"),
        TiffError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::decode(format!("truncated TIFF: {cause}"))
        }
        TiffError::UnsupportedError(what) => Error::decode(format!("unsupported kind of TIFF: {what}")),
        _ => Error::decode(format!("damaged TIFF: {error}")),
    }
}
