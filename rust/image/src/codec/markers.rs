//! What the JPEG library does not tell: the EXIF orientation and whether Adobe's marker is there.

use image::metadata::Orientation;

/// Facts from the markers in front of the first scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Markers {
    /// The EXIF orientation, upright when there is none.
    pub orientation: Orientation,
    /// Adobe's APP14 marker: CMYK values are stored inverted.
    pub adobe: bool,
}

/// Reads the markers of a JPEG; damage ends the search without an error, the decoder will find it.
pub fn scan(bytes: &[u8]) -> Markers {
    let mut found = Markers { orientation: Orientation::NoTransforms, adobe: false };
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, tail @ ..] = rest {
        match *marker {
            0xff => {
                rest = &rest[1..];
                continue;
            }
            0xda | 0xd9 => break,
            0x01 | 0xd0..=0xd8 => {
                rest = tail;
                continue;
            }
            _ => {}
        }
        let [high, low, ..] = tail else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(segment) = tail.get(2..length) else { break };
        if *marker == 0xe1
            && let Some(exif) = segment.strip_prefix(b"Exif\0\0")
        {
            found.orientation = Orientation::from_exif_chunk(exif).unwrap_or(found.orientation);
        } else if *marker == 0xee && segment.starts_with(b"Adobe") {
            found.adobe = true;
        }
        rest = &tail[length..];
    }
    found
}

/// Is there an end-of-image marker near the end?
pub fn has_end(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(65_536)..];
    tail.windows(2).rev().any(|pair| pair == [0xff, 0xd9])
}
