//! Properties that the JPEG library does not report: EXIF and XMP blocks and the presence of Adobe's marker.

use super::blocks::Blocks;

/// Properties read from the markers before the first scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Markers<'a> {
    /// The first EXIF block and the first XMP packet.
    pub blocks: Blocks<'a>,
    /// Height and width of the frame.
    pub size: Option<(u16, u16)>,
    /// Whether there is Adobe's APP14 marker: CMYK values are stored inverted.
    pub adobe: bool,
    /// Whether there is a frame and a first scan, so that the header is complete. For an incomplete header the library reports
    /// the size of the previous image.
    pub complete_header: bool,
    /// Whether the frame is JPEG-LS, which is another format with the same markers.
    pub near_lossless: bool,
}

/// Reads the markers of a JPEG. Bytes between segments are skipped, as the decoder does.
pub fn scan(bytes: &[u8]) -> Markers<'_> {
    let mut markers = Markers::default();
    let mut frame = false;
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let Some(at) = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff)) {
        let (marker, tail) = (rest[at + 1], &rest[at + 2..]);
        match marker {
            0xda => {
                markers.complete_header = frame;
                break;
            }
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => {
                rest = tail;
                continue;
            }
            _ => {}
        }
        let [high, low, ..] = tail else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(segment) = tail.get(2..length) else { break };
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                frame = true;
                if let [_, h, h_low, w, w_low, ..] = segment {
                    markers.size.get_or_insert((u16::from_be_bytes([*h, *h_low]), u16::from_be_bytes([*w, *w_low])));
                }
            }
            0xf7 => markers.near_lossless = true,
            0xee if segment.starts_with(b"Adobe") => markers.adobe = true,
            0xe1 => {
                if segment.starts_with(b"Exif\0\0") {
                    markers.blocks.exif = markers.blocks.exif.or(Some(segment));
                } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    markers.blocks.xmp = markers.blocks.xmp.or(Some(xmp));
                }
            }
            _ => {}
        }
        rest = &tail[length..];
    }
    markers
}

/// Whether there is an end-of-image marker near the end.
pub fn has_end(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(65_536)..];
    tail.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
