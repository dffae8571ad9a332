//! Where the formats keep EXIF and XMP, and the orientation that they state.

use image::ImageFormat;
use image::metadata::Orientation;

use super::markers;
use super::orientation::said;

/// The orientation of a file; upright where it says nothing, or nothing that has a meaning.
pub fn orientation(bytes: &[u8], format: ImageFormat) -> Orientation {
    match format {
        ImageFormat::Jpeg => markers::scan(bytes).orientation,
        ImageFormat::Png => said(png_chunk(bytes, *b"eXIf"), png_xmp(bytes)),
        ImageFormat::WebP => said(riff_chunk(bytes, *b"EXIF"), riff_chunk(bytes, *b"XMP ")),
        ImageFormat::Tiff => said(Some(bytes), None),
        _ => Orientation::NoTransforms,
    }
}

/// The data of the first chunk of a name; the chunks behind the pixels count too.
fn png_chunk(bytes: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    png_chunks(bytes).find(|(found, _)| *found == name).map(|(_, data)| data)
}

/// The XMP packet of a PNG, which is a text that is not compressed.
fn png_xmp(bytes: &[u8]) -> Option<&[u8]> {
    png_chunks(bytes)
        .filter(|(name, _)| name == b"iTXt")
        .find_map(|(_, data)| data.strip_prefix(b"XML:com.adobe.xmp\0"))
}

fn png_chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, name @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let data = tail.get(..length)?;
        rest = tail.get(length + 4..).unwrap_or_default();
        Some((name, data))
    })
}

/// The data of the first chunk of a name in a WebP file.
fn riff_chunk(bytes: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        let [found @ .., a, b, c, d] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if found == name {
            return Some(&tail[..length.min(tail.len())]);
        }
        rest = tail.get(length.checked_next_multiple_of(2)?..)?;
    }
}
