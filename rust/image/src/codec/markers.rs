//! Properties that the JPEG library does not report: the EXIF orientation and the presence of Adobe's marker.

use image::metadata::Orientation;

use super::orientation::stated;

/// Properties read from the markers before the first scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// The orientation of the first EXIF block, else of the first XMP packet; upright if there is none.
    pub orientation: Orientation,
    /// Whether there is Adobe's APP14 marker: CMYK values are stored inverted.
    pub adobe: bool,
    /// Whether there is a frame and a first scan, so that the header is complete. For an incomplete header the library reports
    /// the size of the previous image.
    pub complete_header: bool,
    /// Whether the frame is JPEG-LS, which is another format with the same markers.
    pub near_lossless: bool,
}

/// Reads the markers of a JPEG. Bytes between segments are skipped, as the decoder does.
pub fn scan(bytes: &[u8]) -> Markers {
    let mut markers =
        Markers { orientation: Orientation::NoTransforms, adobe: false, complete_header: false, near_lossless: false };
    let (mut frame, mut block, mut packet) = (false, None, None);
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
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => frame = true,
            0xf7 => markers.near_lossless = true,
            0xee if segment.starts_with(b"Adobe") => markers.adobe = true,
            0xe1 => {
                if segment.starts_with(b"Exif\0\0") {
                    block = block.or(Some(segment));
                } else if let Some(xmp) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    packet = packet.or(Some(xmp));
                }
            }
            _ => {}
        }
        rest = &tail[length..];
    }
    markers.orientation = stated(block, packet);
    markers
}

/// Whether there is an end-of-image marker near the end.
pub fn has_end(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(65_536)..];
    tail.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
