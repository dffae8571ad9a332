//! The orientation in EXIF, else in XMP.

use image::metadata::Orientation;

use super::ifd::Tags;

const ORIENTATION: u16 = 0x0112;

/// The orientation of an EXIF block, else of an XMP packet.
pub fn stated(exif: Option<&[u8]>, xmp: Option<&[u8]>) -> Orientation {
    exif.and_then(of_block).or_else(|| xmp.and_then(of_xmp)).unwrap_or(Orientation::NoTransforms)
}

/// The orientation in an EXIF block: the first one, as an integer of any width.
fn of_block(block: &[u8]) -> Option<Orientation> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let value = Tags::open(block)?.first(ORIENTATION)?;
    Orientation::from_exif(u8::try_from(value).ok()?)
}

/// `tiff:Orientation="6"` or `<tiff:Orientation>6<`.
fn of_xmp(packet: &[u8]) -> Option<Orientation> {
    const NAME: &[u8] = b"tiff:Orientation";
    let at = packet.windows(NAME.len()).position(|window| window == NAME)?;
    match packet[at + NAME.len()..] {
        [b'=', b'"' | b'\'', digit, ..] | [b'>', digit, ..] => Orientation::from_exif(digit.wrapping_sub(b'0')),
        _ => None,
    }
}
