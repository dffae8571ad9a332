//! What a file says about itself before its pixels: format, size, and the facts of the camera.

use std::io::Cursor;

use chrono::NaiveDate;
use image::{ImageFormat, ImageReader};
use mmlrs_core::{Error, Result, guarded};

use super::exif::blocks;
use super::ifd::Tags;
use super::orient::swaps_axes;
use super::orientation::stated;
use super::{formats, markers, other};

const MAKE: u16 = 0x010f;
const MODEL: u16 = 0x0110;
const CHANGED: u16 = 0x0132;
const CAMERA: u16 = 0x8769;
const GPS: u16 = 0x8825;
const TAKEN: u16 = 0x9003;
const DIGITIZED: u16 = 0x9004;
const CHANGED_FRACTION: u16 = 0x9290;
const TAKEN_FRACTION: u16 = 0x9291;
const DIGITIZED_FRACTION: u16 = 0x9292;
const SERIAL: u16 = 0xa431;
const SERIAL_OF_RAW: u16 = 0xc62f;

/// The facts of a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// "jpeg", "png" and so on.
    pub format: &'static str,
    /// Height and width in pixels as the file stores them.
    pub size: (u32, u32),
    /// The EXIF orientation, 1 to 8; 1 if it states none.
    pub orientation: u8,
    /// Microseconds since 1970 on the clock of the camera.
    pub time: Option<i64>,
    pub make: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    /// Degrees north and east.
    pub position: Option<(f64, f64)>,
    /// Metres above the sea.
    pub altitude: Option<f64>,
}

impl Metadata {
    /// Height and width of the image as it is looked at.
    pub fn upright_size(&self) -> (u32, u32) {
        let turned = image::metadata::Orientation::from_exif(self.orientation).is_some_and(swaps_axes);
        if turned { (self.size.1, self.size.0) } else { self.size }
    }
}

/// Reads the facts of a file without decoding its pixels. Damaged or missing EXIF is no error: its facts are then unknown.
pub fn metadata(bytes: &[u8]) -> Result<Metadata> {
    if bytes.is_empty() {
        return Err(Error::decode("not an image: 0 bytes"));
    }
    let format = formats::recognize(bytes)?;
    let size = guarded(|| size(bytes, format)).unwrap_or_else(|panic| Err(other::damaged(format, &panic)))?;
    if [size.0, size.1].iter().any(|side| *side == 0 || i32::try_from(*side).is_err()) {
        return Err(other::damaged(format, &format_args!("its size is {} x {} pixels", size.1, size.0)));
    }
    let blocks = blocks(bytes, format);
    let orientation = stated(blocks).to_exif();
    let facts = blocks.exif.and_then(Tags::of_exif).map(facts).unwrap_or_default();
    Ok(Metadata { format: name(format), size, orientation, ..facts })
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::Tiff => "tiff",
        ImageFormat::Pnm => "pnm",
        other => other.extensions_str().first().copied().unwrap_or("image"),
    }
}

fn size(bytes: &[u8], format: ImageFormat) -> Result<(u32, u32)> {
    match format {
        ImageFormat::Jpeg => {
            let markers = markers::scan(bytes);
            if markers.near_lossless {
                return Err(formats::refused("JPEG-LS", "convert it to PNG first, for instance with pillow-jpls"));
            }
            let size = markers.size.filter(|(height, width)| *height > 0 && *width > 0);
            let (height, width) =
                size.ok_or_else(|| Error::decode("truncated JPEG: it ends before the image begins"))?;
            Ok((u32::from(height), u32::from(width)))
        }
        ImageFormat::Tiff => {
            let side = |tag| u32::try_from(Tags::open(bytes)?.first(tag)?).ok();
            side(257).zip(side(256)).ok_or_else(|| Error::decode("damaged TIFF: it has no height and width"))
        }
        _ => {
            let reader = ImageReader::with_format(Cursor::new(bytes), format);
            let (width, height) = reader.into_dimensions().map_err(|error| other::failure(format, &error))?;
            Ok((height, width))
        }
    }
}

/// The facts in EXIF.
fn facts(tags: Tags<'_>) -> Metadata {
    let camera = tags.directory_of(CAMERA);
    let fraction = |tag| camera.and_then(|camera| camera.text(tag));
    let times = [
        (camera.and_then(|camera| camera.text(TAKEN)), TAKEN_FRACTION),
        (camera.and_then(|camera| camera.text(DIGITIZED)), DIGITIZED_FRACTION),
        (tags.text(CHANGED), CHANGED_FRACTION),
    ];
    // The first time that is not blank counts, even if it is invalid: a later one may be that of a copy.
    let stated = times.into_iter().find_map(|(text, tag)| Some((text.filter(|text| !is_blank(text))?, tag)));
    let serial = camera.and_then(|camera| camera.text(SERIAL)).or_else(|| tags.text(SERIAL_OF_RAW));
    let gps = tags.directory_of(GPS);
    Metadata {
        time: stated.and_then(|(text, tag)| micros(&text, fraction(tag).as_deref())),
        make: tags.text(MAKE),
        model: tags.text(MODEL),
        serial,
        position: gps.and_then(position),
        altitude: gps.and_then(altitude),
        ..Metadata::default()
    }
}

/// Whether a time is written as zeros or spaces, which means that it is unknown.
fn is_blank(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '0' | ' ' | ':' | '-' | '/'))
}

/// Microseconds since 1970 of `2024:05:31 18:00:59`, with the digits after the second. Other separators, and what ISO 8601 writes
/// after the second, are accepted; the zone is that of the camera.
fn micros(text: &str, fraction: Option<&str>) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |at: std::ops::Range<usize>| {
        let part = text.get(at)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok())?
    };
    let separated = [(4, ":-/."), (7, ":-/."), (10, " T:"), (13, ":"), (16, ":")]
        .iter()
        .all(|(at, allowed)| bytes.get(*at).is_some_and(|byte| allowed.contains(char::from(*byte))));
    if !separated {
        return None;
    }
    let (own_fraction, zone) = match text.get(19..)?.trim_end() {
        rest if rest.starts_with(['.', ',']) => {
            let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |place| place + 1);
            (Some(&rest[1..end]), &rest[end..])
        }
        rest => (None, rest),
    };
    let is_zone = |zone: &str| {
        let places = zone.bytes().enumerate();
        zone.len() == 6
            && zone.starts_with(['+', '-'])
            && places.skip(1).all(|(place, byte)| if place == 3 { byte == b':' } else { byte.is_ascii_digit() })
    };
    if !(zone.is_empty() || zone == "Z" || is_zone(zone)) {
        return None;
    }
    let year = i32::try_from(digits(0..4)?).ok().filter(|year| *year > 0)?;
    let date = NaiveDate::from_ymd_opt(year, digits(5..7)?, digits(8..10)?)?;
    let moment = date.and_hms_opt(digits(11..13)?, digits(14..16)?, digits(17..19)?)?;
    let fraction: String =
        own_fraction.or(fraction).unwrap_or_default().chars().take_while(char::is_ascii_digit).take(6).collect();
    let micros = format!("{fraction:0<6}").parse::<i64>().unwrap_or(0);
    Some(moment.and_utc().timestamp_micros() + micros)
}

/// Latitude and longitude in degrees, if both are valid.
fn position(gps: Tags<'_>) -> Option<(f64, f64)> {
    let degrees = |tag: u16, reference: u16, most: f64, [positive, negative]: [&str; 2]| {
        let parts = gps.rationals(tag);
        let [degrees, rest @ ..] = parts.as_slice() else { return None };
        let part = |i: usize| rest.get(i).copied().unwrap_or(0.0);
        let value = degrees + part(0) / 60.0 + part(1) / 3600.0;
        let sign = match gps.text(reference)?.to_ascii_uppercase() {
            side if side == positive => 1.0,
            side if side == negative => -1.0,
            _ => return None,
        };
        (value.is_finite() && value <= most && part(0) < 60.0 && part(1) < 60.0).then_some(sign * value)
    };
    Some((degrees(2, 1, 90.0, ["N", "S"])?, degrees(4, 3, 180.0, ["E", "W"])?))
}

fn altitude(gps: Tags<'_>) -> Option<f64> {
    let height = *gps.rationals(6).first()?;
    let below = gps.first(5) == Some(1);
    height.is_finite().then_some(if below { -height } else { height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_cameras_write() {
        let day = 86_400_000_000;
        assert_eq!(micros("1970:01:02 00:00:01", None), Some(day + 1_000_000));
        assert_eq!(micros("1970-01-02T00:00:01+02:00", Some("25 ")), Some(day + 1_250_000));
        assert_eq!(micros("1970-01-02T00:00:01.75Z", Some("25")), Some(day + 1_750_000));
        assert!(micros("2099:12:31 23:59:59", Some("123456789")).is_some_and(|time| time % 1_000_000 == 123_456));
        for text in [
            "0000:01:02 00:00:01",
            "2024:13:01 00:00:00",
            "2024:02:30 00:00:00",
            "2024:01:01 24:00:00",
            "?",
            "",
            "2024:01:01 06:00:00 PM",
            "2024:01:01 06:00:000",
            "2024:01:01 06:00:00+1:00",
        ] {
            assert_eq!(micros(text, None), None, "{text}");
        }
        assert!(is_blank("0000:00:00 00:00:00") && is_blank("    :  :     :  :  ") && !is_blank("2024:01:01 00:00:00"));
    }
}
