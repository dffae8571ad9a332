//! Recognizes a file by its first bytes: a supported format, a known but unsupported one, or not an image.

use image::ImageFormat;
use mmlrs_core::{Error, Result};

/// Prefix of the bytes that Python passes for a cell that is not an image; the reason follows. `_NO_PICTURE` in
/// `mmlrs/engine/cells.py`.
const NO_PICTURE: &[u8] = b"mmlrs: no picture: ";
/// The remedy if no particular library is recommended.
const ANY: &str = "convert it to JPEG or PNG first";

/// The format of a file that can be decoded. The error names the format, always in the same words, so that reasons can be
/// counted. The words before the colon are the kind.
pub fn recognize(bytes: &[u8]) -> Result<ImageFormat> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        return Ok(ImageFormat::Jpeg);
    }
    if let Some(reason) = bytes.strip_prefix(NO_PICTURE) {
        return Err(Error::decode(String::from_utf8_lossy(reason)));
    }
    if let Some((name, remedy)) = not_decoded(bytes) {
        return Err(refused(name, remedy));
    }
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    }
    match image::guess_format(bytes) {
        Ok(format) if format.reading_enabled() => Ok(format),
        Ok(format) => Err(refused(&format!("{format:?}"), ANY)),
        Err(_) if is_tga(bytes) => Ok(ImageFormat::Tga),
        Err(_) => {
            let head: Vec<String> = bytes.iter().take(8).map(|b| format!("{b:02x}")).collect();
            Err(Error::decode(format!(
                "not an image: {} bytes that start with {} are {}",
                bytes.len(),
                head.join(" "),
                other_kind(bytes).unwrap_or("in no known format")
            )))
        }
    }
}

/// The error for an image in an unsupported format.
pub fn refused(name: &str, remedy: &str) -> Error {
    Error::decode(format!("{name} image: this format is not supported; {remedy}"))
}

/// Image formats that are recognized but not decoded, with a remedy for each.
fn not_decoded(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const RAW: &str = "develop it to JPEG or TIFF first, for instance with rawpy";
    const JPEG2000: (&str, &str) = ("JPEG 2000", "convert it to JPEG or PNG first, for instance with Pillow");
    const JPEG_XL: (&str, &str) = ("JPEG XL", "convert it to JPEG or PNG first, for instance with djxl");
    const SIGNATURES: [(&[u8], (&str, &str)); 26] = [
        (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG2000),
        (b"\xff\x4f\xff\x51", JPEG2000),
        (b"\0\0\0\x0cJXL \r\n\x87\n", JPEG_XL),
        (b"\xff\x0a", JPEG_XL),
        (b"II\xbc\x01", ("JPEG XR", ANY)),
        (b"8BPS", ("PSD", "export it from Photoshop as JPEG or PNG, or convert it with psd-tools")),
        (b"v/1\x01", ("OpenEXR", ANY)),
        (b"#?RADIANCE", ("Radiance HDR", ANY)),
        (b"#?RGBE", ("Radiance HDR", ANY)),
        (b"DDS ", ("DDS", ANY)),
        (b"farbfeld", ("farbfeld", ANY)),
        (b"gimp xcf", ("XCF", "export it from GIMP as JPEG or PNG")),
        (b"BPG\xfb", ("BPG", ANY)),
        (b"FLIF", ("FLIF", ANY)),
        (b"\x59\xa6\x6a\x95", ("Sun raster", ANY)),
        (b"\x01\xda\0\x01", ("SGI", ANY)),
        (b"\x01\xda\x01\x01", ("SGI", ANY)),
        (b"\x0a\x05\x01\x08", ("PCX", ANY)),
        (b"\xd7\xcd\xc6\x9a", ("WMF", ANY)),
        (b"%!PS", ("PostScript", "render it to PNG first, for instance with Ghostscript")),
        (b"SIMPLE  =", ("FITS", "read it with astropy and write PNG or TIFF")),
        (b"FUJIFILMCCD-RAW", ("camera raw", RAW)),
        (b"IIRO", ("camera raw", RAW)),
        (b"IIRS", ("camera raw", RAW)),
        (b"IIU\0", ("camera raw", RAW)),
        (b"\0MRM", ("camera raw", RAW)),
    ];
    let format = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)).map(|(_, named)| *named);
    let at = |from: usize, text: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(text));
    match format {
        Some(named) => Some(named),
        None if at(0, b"II*\0") && at(8, b"CR") => Some(("camera raw", RAW)),
        None if at(128, b"DICM") => Some(("DICOM", "read it with pydicom and write PNG or TIFF")),
        None if at(0, &[1, 0, 0, 0]) && at(40, b" EMF") => Some(("EMF", ANY)),
        None if at(4, b"ftyp") => media_box(bytes),
        None if is_svg(bytes) => Some(("SVG", "render it to PNG first, for instance with CairoSVG")),
        None => None,
    }
}

/// Files of boxes, such as HEIC and AVIF. The major brand decides, then the compatible brands.
fn media_box(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const HEIC: (&str, &str) = ("HEIC", "convert it to JPEG or PNG first, for instance with pillow-heif");
    let length = bytes.first_chunk::<4>().map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let brands = bytes.get(8..length.min(bytes.len())).or_else(|| bytes.get(8..)).unwrap_or_default();
    let (brands, _) = brands.as_chunks::<4>();
    // The second word is the version of the major brand.
    let brands = brands.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, brand)| brand);
    brands.into_iter().find_map(|brand| match brand {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => Some(HEIC),
        b"avif" | b"avis" => Some(("AVIF", "convert it to JPEG or PNG first, for instance with Pillow")),
        b"jp2 " | b"jpx " | b"jph " => Some(("JPEG 2000", ANY)),
        b"crx " => Some(("camera raw", "develop it to JPEG or TIFF first, for instance with rawpy")),
        _ => None,
    })
}

/// The text of the first bytes in lower case, without a byte order mark and similar prefixes.
fn beginning(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    text.trim_start().to_owned()
}

fn is_svg(bytes: &[u8]) -> bool {
    let text = beginning(bytes);
    text.starts_with("<svg") || (text.starts_with("<?xml") || text.starts_with("<!")) && text.contains("<svg")
}

/// The kind of a file that is not an image.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 8] = [
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "compressed with gzip"),
        (b"Rar!", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
        (b"version https://git-lfs", "a Git LFS pointer rather than the file itself"),
        (b"PAR1", "a Parquet file"),
    ];
    if let Some((_, name)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Some(name);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some("a video or other media file (MP4)");
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..11) == Some(b"AVI") {
        return Some("a video (AVI)");
    }
    let text = beginning(bytes);
    if text.starts_with("<!doctype html") || text.starts_with("<html") || text.contains("<html") {
        return Some("a web page (HTML)");
    }
    text.starts_with("<?xml").then_some("an XML document")
}

/// Whether the file is a TGA. TGA files do not begin with a signature. Newer ones end with one; in older ones every field of
/// the header must be valid.
fn is_tga(bytes: &[u8]) -> bool {
    if bytes.ends_with(b"TRUEVISION-XFILE.\0") {
        return true;
    }
    let Some([_, map, kind, map_spec @ .., descriptor]) = bytes.first_chunk::<18>() else { return false };
    let [first_low, first_high, count_low, count_high, map_bits, _, _, _, _, w_low, w_high, h_low, h_high, bits] =
        map_spec;
    let sized = [w_low, w_high] != [&0, &0] && [h_low, h_high] != [&0, &0];
    let no_map = [first_low, first_high, count_low, count_high, map_bits].iter().all(|b| **b == 0);
    let colours = match (map, kind) {
        (0, 2 | 10) => no_map && matches!(bits, 15 | 16 | 24 | 32),
        (0, 3 | 11) => no_map && *bits == 8,
        (1, 1 | 9) => *bits == 8 && matches!(map_bits, 15 | 16 | 24 | 32) && [count_low, count_high] != [&0, &0],
        _ => false,
    };
    sized && colours && descriptor & 0xc0 == 0 && bytes.len() > 18 + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> String {
        recognize(bytes).err().map(|e| e.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_format_that_is_not_decoded_has_its_name_in_front() {
        let dicom = [&[0; 128], b"DICM".as_slice()].concat();
        for (bytes, kind) in [
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".as_slice(), "HEIC image: "),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC image: "),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF image: "),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF image: "),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 image: "),
            (b"\xff\x4f\xff\x51\0", "JPEG 2000 image: "),
            (b"\xff\x0a\0\0", "JPEG XL image: "),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL image: "),
            (b"8BPS\0\x01", "PSD image: "),
            (b"<svg xmlns='x'/>", "SVG image: "),
            (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- a --><svg>", "SVG image: "),
            (b"II*\0\x10\0\0\0CR\x02\0", "camera raw image: "),
            (&dicom, "DICOM image: "),
            (
                b"<html>not found</html>",
                "not an image: 22 bytes that start with 3c 68 74 6d 6c 3e 6e 6f are a web page",
            ),
            (b"version https://git-lfs.github.com/spec/v1\n", "not an image: 43 bytes"),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "not an image: 20 bytes"),
        ] {
            assert!(reason(bytes).starts_with(kind), "{}", reason(bytes));
        }
    }

    #[test]
    fn a_tga_without_a_signature_is_known_by_a_header_that_makes_sense() {
        let header = |kind: u8, bits: u8| [&[0, 0, kind], [0; 9].as_slice(), &[4, 0, 4, 0, bits, 0], &[7; 48]].concat();
        assert_eq!(recognize(&header(2, 24)).ok(), Some(ImageFormat::Tga));
        assert_eq!(recognize(&header(3, 8)).ok(), Some(ImageFormat::Tga));
        for (kind, bits) in [(0, 24), (2, 7), (5, 24), (3, 24)] {
            assert!(reason(&header(kind, bits)).starts_with("not an image"), "{kind} {bits}");
        }
        assert!(reason(&[0; 1000]).contains("no known format"));
    }
}
