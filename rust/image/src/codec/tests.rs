use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use mmlrs_core::{ErrorKind, Result};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

use super::*;
use crate::options::Alpha;
use crate::sample::{jpeg_with_orientation, sample_bytes, sample_image};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn all() -> DecodeOptions {
    DecodeOptions::default()
}

fn with_alpha(alpha: Alpha) -> DecodeOptions {
    DecodeOptions { alpha, ..all() }
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> std::result::Result<Vec<u8>, image::ImageError> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format)?;
    Ok(out.into_inner())
}

/// The sample image as RGB for the `image` crate.
fn rgb_picture(height: u32, width: u32) -> Result<DynamicImage> {
    let sample = sample_image(height as usize, width as usize, 1)?;
    Ok(DynamicImage::ImageRgb8(ImageBuffer::from_fn(width, height, |x, y| {
        let at = ((y * width + x) * 3) as usize;
        Rgb([sample.data()[at + 2], sample.data()[at + 1], sample.data()[at]])
    })))
}

fn jpeg(
    configure: impl FnOnce(&mut Compressor) -> turbojpeg::Result<()>,
) -> std::result::Result<Vec<u8>, turbojpeg::Error> {
    let sample = sample_image(48, 64, 1).map_err(|_| turbojpeg::Error::Null)?;
    let mut compressor = Compressor::new()?;
    compressor.set_quality(95)?;
    configure(&mut compressor)?;
    let source =
        turbojpeg::Image { pixels: sample.data(), width: 64, pitch: 192, height: 48, format: PixelFormat::BGR };
    compressor.compress_to_vec(source)
}

fn largest_difference(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn every_lossless_format_gives_the_same_pixels() -> Outcome {
    let sample = sample_image(48, 64, 1)?;
    let picture = rgb_picture(48, 64)?;
    for format in
        [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Pnm, ImageFormat::Qoi]
    {
        assert_eq!(decode(&encoded(&picture, format)?, &all())?, sample, "{format:?}");
    }
    Ok(())
}

#[test]
fn every_kind_of_jpeg_decodes() -> Outcome {
    let sample = sample_image(48, 64, 1)?;
    let kinds: [(&str, Vec<u8>); 6] = [
        ("4:4:4", jpeg(|c| c.set_subsamp(Subsamp::None))?),
        ("4:2:2", jpeg(|c| c.set_subsamp(Subsamp::Sub2x1))?),
        ("4:2:0", jpeg(|c| c.set_subsamp(Subsamp::Sub2x2))?),
        ("4:4:0", jpeg(|c| c.set_subsamp(Subsamp::Sub1x2))?),
        ("progressive", jpeg(|c| c.set_progressive(true))?),
        ("arithmetic", jpeg(|c| c.set_arithmetic(true))?),
    ];
    for (kind, bytes) in kinds {
        let decoded = decode(&bytes, &all())?;
        assert_eq!((decoded.height(), decoded.width(), decoded.channels()), (48, 64, 3), "{kind}");
        assert!(largest_difference(decoded.data(), sample.data()) < 40, "{kind}");
    }
    let gray = decode(&jpeg(|c| c.set_subsamp(Subsamp::Gray))?, &all())?;
    assert_eq!((gray.height(), gray.width(), gray.channels()), (48, 64, 1));
    Ok(())
}

#[test]
fn cmyk_jpeg_becomes_bgr() -> Outcome {
    // Adobe's inverted values: 255 means no ink. Half cyan, no black.
    let pixels = [127_u8, 255, 255, 255].repeat(32 * 16);
    let source =
        turbojpeg::Image { pixels: pixels.as_slice(), width: 32, pitch: 128, height: 16, format: PixelFormat::CMYK };
    for colorspace in [turbojpeg::Colorspace::CMYK, turbojpeg::Colorspace::YCCK] {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(100)?;
        compressor.set_subsamp(Subsamp::None)?;
        compressor.set_colorspace(colorspace)?;
        let decoded = decode(&compressor.compress_to_vec(source)?, &all())?;
        assert_eq!(decoded.channels(), 3);
        assert!(largest_difference(decoded.data(), &[255, 255, 127].repeat(32 * 16)) <= 3, "{colorspace:?}");
    }
    Ok(())
}

#[test]
fn sixteen_bits_become_eight_by_dropping_the_low_byte() -> Outcome {
    let rgb = ImageBuffer::from_fn(4, 2, |x, y| Rgb([(x * 257 + 0x80) as u16, 0x12ff, (y << 8) as u16]));
    let decoded = decode(&encoded(&DynamicImage::ImageRgb16(rgb), ImageFormat::Png)?, &all())?;
    assert_eq!(&decoded.data()[..6], &[0, 0x12, 0, 0, 0x12, 1]);
    let gray: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(3, 3, Luma([0xabff]));
    let decoded = decode(&encoded(&DynamicImage::ImageLuma16(gray), ImageFormat::Png)?, &all())?;
    assert_eq!((decoded.channels(), decoded.data()[0]), (1, 0xab));
    Ok(())
}

#[test]
fn palettes_become_bgr() -> Outcome {
    let red = DynamicImage::ImageRgb8(ImageBuffer::from_pixel(5, 4, Rgb([255, 0, 0])));
    let gif = decode(&encoded(&red, ImageFormat::Gif)?, &all())?;
    assert_eq!((gif.channels(), &gif.data()[..3]), (3, &[0, 0, 255][..]));
    let png = decode(&palette_png(), &all())?;
    assert_eq!((png.channels(), png.data()), (3, &[3, 2, 1, 6, 5, 4][..]));
    Ok(())
}

#[test]
fn alpha_is_dropped_composited_or_kept() -> Outcome {
    let half = DynamicImage::ImageRgba8(ImageBuffer::from_pixel(2, 2, Rgba([255, 100, 0, 128])));
    let bytes = encoded(&half, ImageFormat::Png)?;
    assert_eq!(&decode(&bytes, &with_alpha(Alpha::Drop))?.data()[..3], &[0, 100, 255]);
    assert_eq!(&decode(&bytes, &with_alpha(Alpha::Composite))?.data()[..3], &[127, 177, 255]);
    assert_eq!(&decode(&bytes, &with_alpha(Alpha::Keep))?.data()[..4], &[0, 100, 255, 128]);
    let gray = DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(2, 2, LumaA([0, 128])));
    let bytes = encoded(&gray, ImageFormat::Png)?;
    assert_eq!(decode(&bytes, &with_alpha(Alpha::Drop))?.data(), &[0; 4]);
    assert_eq!(decode(&bytes, &with_alpha(Alpha::Composite))?.data(), &[127; 4]);
    assert_eq!(&decode(&bytes, &with_alpha(Alpha::Keep))?.data()[..4], &[0, 0, 0, 128]);
    Ok(())
}

#[test]
fn exif_orientations_are_applied_unless_turned_off() -> Outcome {
    let base = sample_bytes("jpeg", 32, 48, 3)?;
    let stored = decode(&base, &all())?;
    for tag in 1..=8 {
        let bytes = jpeg_with_orientation(&base, tag);
        let upright = decode(&bytes, &all())?;
        let mut expected = DynamicImage::ImageRgb8(
            ImageBuffer::from_raw(48, 32, stored.data().to_vec()).ok_or("the buffer has the image's size")?,
        );
        expected.apply_orientation(Orientation::from_exif(tag).ok_or("a tag between 1 and 8")?);
        assert_eq!((upright.height(), upright.width()), (expected.height() as usize, expected.width() as usize));
        assert_eq!(upright.data(), expected.as_bytes(), "orientation {tag}");
        let ignored = decode(&bytes, &DecodeOptions { apply_exif_orientation: false, ..all() })?;
        assert_eq!(ignored, stored);
    }
    Ok(())
}

#[test]
fn what_is_no_image_is_an_error_with_its_cause() -> Outcome {
    let jpeg = sample_bytes("jpeg", 64, 64, 1)?;
    let png = sample_bytes("png", 64, 64, 1)?;
    let progressive = self::jpeg(|c| c.set_progressive(true))?;
    let cases: [(&[u8], &str); 8] = [
        (b"", "0 bytes"),
        (&[0; 100], "no known format"),
        (b"<html>not found</html>", "3c 68 74 6d"),
        (&jpeg[..jpeg.len() / 2], "truncated JPEG"),
        (&jpeg[..jpeg.len() - 2], "truncated JPEG"),
        (&jpeg[..30], "JPEG"),
        (&progressive[..progressive.len() / 2], "truncated JPEG"),
        (&png[..png.len() / 2], "PNG"),
    ];
    for (bytes, cause) in cases {
        let error = decode(bytes, &all()).err().ok_or(format!("decoded: {cause}"))?;
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.message().contains(cause), "{error}");
    }
    Ok(())
}

#[test]
fn a_tiff_that_ends_in_its_tags_is_truncated() -> Outcome {
    let tiff = encoded(&rgb_picture(48, 64)?, ImageFormat::Tiff)?;
    let tags = u32::from_le_bytes(tiff[4..8].try_into()?) as usize;
    for cut in [4, 8, tags, tags + 1, tags + 2, tags + 14, tags + 60] {
        let error = decode(&tiff[..cut], &all()).err().ok_or(format!("decoded {cut} bytes"))?;
        assert!(error.message().starts_with("truncated TIFF"), "{cut}: {error}");
    }
    Ok(())
}

#[test]
fn a_scaled_decode_does_not_hide_a_truncated_file() -> Outcome {
    let jpeg = sample_bytes("jpeg", 640, 640, 1)?;
    let result = decode_for(&jpeg[..jpeg.len() * 3 / 4], &all(), &|_, _| (32, 32));
    assert!(result.is_err_and(|e| e.message().contains("truncated")));
    Ok(())
}

#[test]
fn a_bad_jpeg_leaves_nothing_behind_for_the_next() -> Outcome {
    let good = sample_bytes("jpeg", 48, 64, 1)?;
    let expected = decode(&good, &all())?;
    for cut in 2..good.len() {
        assert!(decode(&good[..cut], &all()).is_err(), "cut at {cut}");
        assert_eq!(decode(&good, &all())?, expected, "after a cut at {cut}");
    }
    let mut bytes = good.clone();
    for at in 2..good.len() {
        bytes[at] ^= 0x5a;
        let _ = decode(&bytes, &all());
        assert_eq!(decode(&good, &all())?, expected, "after damage at {at}");
        bytes[at] = good[at];
    }
    Ok(())
}

#[test]
fn odd_but_complete_jpegs_decode() -> Outcome {
    let jpeg = sample_bytes("jpeg", 64, 64, 1)?;
    let plain = decode(&jpeg, &all())?;
    // Bytes between two header segments, and a trailer without a thumbnail: both occur in camera files.
    let mut gap = jpeg.clone();
    let after_app0 = 4 + usize::from(u16::from_be_bytes([gap[4], gap[5]]));
    gap.splice(after_app0..after_app0, [0x00, 0x11, 0x22]);
    assert!(largest_difference(decode(&gap, &all())?.data(), plain.data()) <= 4);
    let mut trailer = jpeg;
    trailer.extend_from_slice(&[0; 500]);
    assert_eq!(decode(&trailer, &all())?, plain);
    Ok(())
}

#[test]
fn limits_hold_before_anything_is_allocated() -> Outcome {
    let mut jpeg = sample_bytes("jpeg", 64, 64, 1)?;
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).ok_or("a baseline frame")?;
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let png = chunked_png(30_000, 30_000, 2, &[(b"IDAT", vec![0x78, 1])]);
    for bytes in [jpeg.as_slice(), png.as_slice(), b"P6 30000 30000 255\n"] {
        let error = decode(bytes, &all()).err().ok_or("decoded an image of 900 million pixels")?;
        assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error}");
        assert!(error.message().contains("30000 x 30000 pixels exceeds maxPixels"), "{error}");
    }
    let small = DecodeOptions { max_bytes: 500, ..all() };
    let error = decode(&sample_bytes("jpeg", 64, 64, 1)?, &small).err().ok_or("decoded too many bytes")?;
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    Ok(())
}

#[test]
fn a_scaled_decode_leaves_the_margin() -> Outcome {
    let jpeg = sample_bytes("jpeg", 640, 1000, 1)?;
    for (target, expected) in [((40, 40), (80, 125)), ((94, 60), (160, 250)), ((190, 60), (640, 1000))] {
        let decoded = decode_for(&jpeg, &all(), &|_, _| target)?;
        assert_eq!((decoded.full_height, decoded.full_width), (640, 1000));
        assert_eq!((decoded.image.height(), decoded.image.width()), expected, "{target:?}");
    }
    let off = DecodeOptions { scaled_decode: false, ..all() };
    assert_eq!(decode_for(&jpeg, &off, &|_, _| (40, 40))?.image.height(), 640);
    Ok(())
}

#[test]
fn encoding_and_decoding_gives_the_image_back() -> Outcome {
    let image = sample_image(40, 56, 2)?;
    assert_eq!(decode(&encode(image.view(), "png", 90)?, &all())?, image);
    let jpeg = decode(&encode(image.view(), "jpeg", 95)?, &all())?;
    assert!(largest_difference(jpeg.data(), image.data()) < 40);
    let gray = Image::new(2, 3, 1, vec![0, 50, 100, 150, 200, 250])?;
    assert_eq!(decode(&encode(gray.view(), "png", 90)?, &all())?, gray);
    let bgra = Image::new(1, 2, 4, vec![1, 2, 3, 4, 5, 6, 7, 8])?;
    assert_eq!(decode(&encode(bgra.view(), "png", 90)?, &with_alpha(Alpha::Keep))?, bgra);
    assert!(encode(image.view(), "bmp", 90).is_err());
    assert!(encode(image.view(), "jpeg", 0).is_err());
    Ok(())
}

/// A PNG of 2 x 1 pixels with a palette.
fn palette_png() -> Vec<u8> {
    let pixels = [0_u8, 0, 1]; // no filter, then the two indices
    let adler = pixels.iter().fold((1_u32, 0_u32), |(a, b), x| (a + u32::from(*x), b + a + u32::from(*x)));
    let mut zlib = vec![0x78, 0x01, 1, 3, 0, 0xfc, 0xff];
    zlib.extend(pixels);
    zlib.extend((adler.1 << 16 | adler.0).to_be_bytes());
    chunked_png(2, 1, 3, &[(b"PLTE", vec![1, 2, 3, 4, 5, 6]), (b"IDAT", zlib)])
}

fn chunked_png(width: u32, height: u32, color: u8, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes()[..], &[8, color, 0, 0, 0]].concat();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let first = (b"IHDR", header);
    let last = (b"IEND", Vec::new());
    for (name, data) in [&first].into_iter().chain(chunks).chain([&last]) {
        let body = [&name[..], data].concat();
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(&body);
        out.extend(crc32(&body).to_be_bytes());
    }
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}
