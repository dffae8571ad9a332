//! The orientation in EXIF, else in XMP.

use image::metadata::Orientation;

use super::blocks::Blocks;
use super::ifd::Tags;

const ORIENTATION: u16 = 0x0112;

/// The orientation of the EXIF block, else of the XMP packet; upright if they state none or an invalid one.
pub fn stated(blocks: Blocks<'_>) -> Orientation {
    let Blocks { exif, xmp } = blocks;
    exif.and_then(of_block).or_else(|| xmp.and_then(of_xmp)).unwrap_or(Orientation::NoTransforms)
}

/// The orientation in an EXIF block: the first one, as an integer of any width.
fn of_block(block: &[u8]) -> Option<Orientation> {
    let value = Tags::of_exif(block)?.first(ORIENTATION)?;
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
