//! The location of EXIF and XMP in each format.

use image::ImageFormat;

use super::blocks::Blocks;
use super::markers;

/// The blocks of a file.
pub fn blocks(bytes: &[u8], format: ImageFormat) -> Blocks<'_> {
    match format {
        ImageFormat::Jpeg => markers::scan(bytes).blocks,
        ImageFormat::Png => Blocks { exif: png_chunk(bytes, *b"eXIf"), xmp: png_xmp(bytes) },
        ImageFormat::WebP => Blocks { exif: riff_chunk(bytes, *b"EXIF"), xmp: riff_chunk(bytes, *b"XMP ") },
        ImageFormat::Tiff => Blocks { exif: Some(bytes), xmp: None },
        _ => Blocks::default(),
    }
}

/// The data of the first chunk with a name. Chunks after the pixels are included.
fn png_chunk(bytes: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    png_chunks(bytes).find(|(kind, _)| *kind == name).map(|(_, data)| data)
}

/// The XMP packet of a PNG, which is uncompressed text.
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

/// The data of the first chunk with a name in a WebP file.
fn riff_chunk(bytes: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        let [kind @ .., a, b, c, d] = *head;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if kind == name {
            return Some(&tail[..length.min(tail.len())]);
        }
        rest = tail.get(length.checked_next_multiple_of(2)?..)?;
    }
}
