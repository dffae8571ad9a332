use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use opencv::core::{Mat, MatTraitConstManual, Size, Vec3b};
use opencv::imgproc;
use turbojpeg::Subsamp;

use super::*;
use crate::codec::decode;
use crate::sample::{jpeg_with_orientation, sample_bytes, sample_image};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn tensor(bytes: &[u8], prep: &TensorPrep) -> Result<Vec<f32>> {
    let array: ArrayRef = Arc::new(BinaryArray::from_vec(vec![bytes]));
    let images = ImageColumn::from_array("image", &array, None)?;
    let mut out = vec![f32::NAN; prep.len()];
    images.tensor_row(0, prep, &mut out)??;
    Ok(out)
}

/// Decibels between two tensors of values 0..255.
fn psnr(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (squares / a.len() as f64).max(1e-9)).log10()
}

/// The slow path: decodes to BGR, applies `cv2.INTER_AREA`, then writes planes of red, green, blue.
fn full_path(bytes: &[u8], height: usize, width: usize) -> Outcome2 {
    let image = decode(bytes, &DecodeOptions::default())?;
    let mat = Mat::new_rows_cols_with_bytes::<Vec3b>(image.height() as i32, image.width() as i32, image.data())?;
    let mut small = Mat::default();
    imgproc::resize(&mat, &mut small, Size::new(width as i32, height as i32), 0.0, 0.0, imgproc::INTER_AREA)?;
    let pixels = small.data_bytes()?;
    Ok((0..3).rev().flat_map(|c| pixels.iter().skip(c).step_by(3).map(|v| f32::from(*v))).collect())
}

type Outcome2 = std::result::Result<Vec<f32>, Box<dyn std::error::Error>>;

#[test]
fn the_area_kernel_equals_opencv() -> Outcome {
    for (height, width) in [(48, 64), (97, 131), (224, 300), (23, 64), (300, 20)] {
        let image = sample_image(height, width, 5)?;
        for (to_height, to_width) in [(16, 16), (23, 20), (7, 19)] {
            let prep = TensorPrep::new(to_height, to_width);
            let mut ours = vec![0.0; prep.len()];
            tensor_from_view(image.view(), &prep, &mut ours)?;
            let png = crate::codec::encode(image.view(), "png", 90)?;
            let theirs = full_path(&png, to_height, to_width)?;
            let max = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(max <= 1.0, "{height}x{width} to {to_height}x{to_width}: {max}");
        }
    }
    Ok(())
}

/// Widths whose chroma rows end in the middle of a row of the buffer, at the image's size and larger: the last columns must
/// come from this image, not from an earlier one.
#[test]
fn the_right_edge_of_a_jpeg_is_picture() -> Outcome {
    tensor(&sample_bytes("jpeg", 64, 256, 9)?, &TensorPrep::new(64, 256))?;
    let pixels = [40, 60, 180].repeat(16 * 200);
    for width in [16, 50, 90, 144, 160, 162, 199] {
        let image = crate::image::ImageView::new(16, width, 3, &pixels[..16 * width * 3])?;
        let jpeg = crate::codec::encode(image, "jpeg", 95)?;
        for (to_height, to_width) in [(16, width), (16, width - 1), (32, 2 * width), (8, width / 2)] {
            let values = tensor(&jpeg, &TensorPrep::new(to_height, to_width))?;
            let plane = to_height * to_width;
            for (i, value) in values.iter().enumerate() {
                let expected = [180.0, 60.0, 40.0][i / plane];
                assert!((value - expected).abs() <= 3.0, "width {width} to {to_width}, column {}", i % to_width);
            }
        }
    }
    Ok(())
}

#[test]
fn growing_is_linear_as_in_opencv() -> Outcome {
    let image = sample_image(20, 30, 5)?;
    let mut prep = TensorPrep::new(47, 64);
    let mut area = vec![0.0; prep.len()];
    tensor_from_view(image.view(), &prep, &mut area)?;
    prep.interpolation = Interpolation::Linear;
    let mut linear = vec![0.0; prep.len()];
    tensor_from_view(image.view(), &prep, &mut linear)?;
    let max = area.iter().zip(&linear).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(max <= 1.0, "{max}");
    Ok(())
}

#[test]
fn the_planar_way_is_close_to_the_full_path() -> Outcome {
    let sample = sample_image(402, 603, 7)?;
    for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1] {
        let source = turbojpeg::Image {
            pixels: sample.data(),
            width: 603,
            pitch: 603 * 3,
            height: 402,
            format: turbojpeg::PixelFormat::BGR,
        };
        let jpeg = turbojpeg::compress(source, 90, subsamp)?;
        for size in [224, 96, 40, 500] {
            let decibels = psnr(&tensor(&jpeg, &TensorPrep::new(size, size))?, &full_path(&jpeg, size, size)?);
            assert!(decibels >= 40.0, "{subsamp:?} to {size}: {decibels}");
        }
    }
    Ok(())
}

#[test]
fn orientation_is_applied_on_the_way() -> Outcome {
    let base = sample_bytes("jpeg", 90, 130, 3)?;
    for tag in 1..=8 {
        let jpeg = jpeg_with_orientation(&base, tag);
        for layout in [Layout::Nchw, Layout::Nhwc] {
            let prep = TensorPrep { layout, ..TensorPrep::new(40, 64) };
            let mut expected = vec![0.0; prep.len()];
            tensor_from_view(decode(&jpeg, &DecodeOptions::default())?.view(), &prep, &mut expected)?;
            let decibels = psnr(&tensor(&jpeg, &prep)?, &expected);
            assert!(decibels >= 40.0, "orientation {tag}, {layout:?}: {decibels}");
        }
    }
    Ok(())
}

#[test]
fn values_are_scaled_and_normalized_in_channel_order() -> Outcome {
    let image = Image::new(1, 2, 3, vec![10, 20, 30, 40, 50, 60])?;
    let mut prep =
        TensorPrep { mean: vec![1.0, 2.0, 3.0], std: vec![2.0, 4.0, 5.0], scale: 0.5, ..TensorPrep::new(1, 2) };
    let mut out = [0.0; 6];
    let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    tensor_from_view(image.view(), &prep, &mut out)?;
    assert!(close(&out, &[7.0, 14.5, 2.0, 5.75, 0.4, 3.4]), "{out:?}");
    prep.channel_order = ChannelOrder::Bgr;
    prep.layout = Layout::Nhwc;
    tensor_from_view(image.view(), &prep, &mut out)?;
    assert!(close(&out, &[2.0, 2.0, 2.4, 9.5, 5.75, 5.4]), "{out:?}");
    let gray = TensorPrep { channels: 1, ..TensorPrep::new(1, 2) };
    let mut out = [0.0; 2];
    tensor_from_view(image.view(), &gray, &mut out)?;
    assert!(close(&out, &[21.85, 51.85]), "{out:?}");
    Ok(())
}

#[test]
fn gray_images_expand_only_on_request() -> Outcome {
    let gray = Image::new(2, 2, 1, vec![7; 4])?;
    let jpeg = crate::codec::encode(gray.view(), "jpeg", 95)?;
    let prep = TensorPrep::new(2, 2);
    assert_eq!(tensor(&jpeg, &prep)?, vec![7.0; 12]);
    let strict = TensorPrep { auto_convert_to_color: false, ..prep };
    let message = tensor(&jpeg, &strict).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message.contains("autoConvertToColor"), "{message}");
    Ok(())
}

#[test]
fn the_same_row_twice_gives_the_same_values_after_a_larger_image() -> Outcome {
    let (small, large) = (sample_bytes("jpeg", 64, 64, 1)?, sample_bytes("jpeg", 800, 900, 2)?);
    let prep = TensorPrep::new(32, 32);
    let first = tensor(&small, &prep)?;
    tensor(&large, &prep)?;
    assert_eq!(tensor(&small, &prep)?, first);
    Ok(())
}

#[test]
fn bad_rows_are_the_callers_and_bad_sizes_are_final() -> Outcome {
    let array: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![None, Some(b"no picture")]));
    let paths: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["a", "b"]));
    let images = ImageColumn::from_array("image", &array, Some(&paths))?;
    let prep = TensorPrep::new(4, 4);
    let mut out = vec![0.0; prep.len()];
    let reason = |row, out: &mut [f32]| images.tensor_row(row, &prep, out).map(|r| r.err().map(|e| e.reason()));
    assert_eq!(reason(0, &mut out)?.as_deref(), Some("value is null (a)"));
    assert!(reason(1, &mut out)?.is_some_and(|r| r.ends_with("(b)")));
    assert!(images.tensor_row(0, &prep, &mut out[1..]).is_err());
    assert!(TensorPrep { std: vec![0.0], ..TensorPrep::new(4, 4) }.check().is_err());
    assert!(TensorPrep { mean: vec![0.0; 2], ..TensorPrep::new(4, 4) }.check().is_err());
    assert!(TensorPrep::new(0, 4).check().is_err());
    Ok(())
}

#[test]
fn the_centre_is_a_fraction_of_the_shorter_side() {
    let centre = Centre { height: 0.875, width: 0.875 };
    assert_eq!(centre.rectangle(256, 256), (16, 16, 224, 224));
    assert_eq!(centre.rectangle(100, 400), (6, 156, 88, 88));
    assert_eq!(centre.rectangle(1, 1), (0, 0, 1, 1));
    // No larger than the image.
    assert_eq!(Centre { height: 2.0, width: 2.0 }.rectangle(10, 15), (0, 0, 10, 15));
    assert!(TensorPrep { centre: Some(Centre { height: 0.0, width: 1.0 }), ..TensorPrep::new(4, 4) }.check().is_err());
}

#[test]
fn a_tensor_of_the_centre_is_that_of_the_cropped_image() -> Result<()> {
    let pixels: Vec<u8> = (0..20 * 30 * 3).map(|n| (n * 7 % 251) as u8).collect();
    let cropped: Vec<u8> =
        (5..15).flat_map(|row| pixels[(row * 30 + 10) * 3..(row * 30 + 20) * 3].iter().copied()).collect();
    let whole = TensorPrep::new(4, 4);
    for interpolation in [Interpolation::Area, Interpolation::Linear] {
        let whole = TensorPrep { interpolation, ..whole.clone() };
        let centre = TensorPrep { centre: Some(Centre { height: 0.5, width: 0.5 }), ..whole.clone() };
        let (mut expected, mut got) = (vec![0.0; whole.len()], vec![1.0; whole.len()]);
        tensor_from_view(ImageView::new(10, 10, 3, &cropped)?, &whole, &mut expected)?;
        tensor_from_view(ImageView::new(20, 30, 3, &pixels)?, &centre, &mut got)?;
        assert_eq!(expected, got);
    }
    Ok(())
}

/// The rectangles of `letterbox` in Ultralytics' `augment.py` (float borders, `round(border - 0.1)`) and of `preproc` in YOLOX.
#[test]
fn a_letterbox_places_images_like_the_references() {
    let mut sizes: Vec<(usize, usize)> =
        vec![(1, 1), (1, 5000), (5000, 1), (640, 640), (480, 640), (1080, 810), (375, 500)];
    sizes.extend((0..2000).map(|i| (1 + (i * 7919) % 2003, 1 + (i * 104_729) % 1999)));
    for (height, width) in sizes {
        for (rows, columns) in [(640, 640), (416, 416), (384, 640), (7, 9)] {
            let ratio = (rows as f64 / height as f64).min(columns as f64 / width as f64);
            let inner = [width, height].map(|side| ((side as f64 * ratio).round_ties_even() as usize).max(1));
            let border = [(columns - inner[0]) as f64 / 2.0, (rows - inner[1]) as f64 / 2.0];
            let [left, top] = border.map(|half| (half - 0.1).round_ties_even().abs() as usize);
            let expected = Placement { top, left, rows: inner[1], columns: inner[0] };
            assert_eq!(Letterbox::Middle.place((height, width), (rows, columns)), expected, "{height}x{width}");
            let [inner_width, inner_height] = [width, height].map(|side| ((side as f64 * ratio) as usize).max(1));
            let expected = Placement { top: 0, left: 0, rows: inner_height, columns: inner_width };
            assert_eq!(Letterbox::Corner.place((height, width), (rows, columns)), expected, "{height}x{width}");
        }
    }
}

#[test]
fn a_letterboxed_image_is_resized_on_a_gray_border() -> Outcome {
    let image = sample_image(48, 64, 5)?;
    let png = crate::codec::encode(image.view(), "png", 90)?;
    let prep = TensorPrep {
        letterbox: Some(Letterbox::Middle),
        interpolation: Interpolation::Linear,
        layout: Layout::Nhwc,
        channel_order: ChannelOrder::Bgr,
        ..TensorPrep::new(33, 32)
    };
    let place = Placement { top: 4, left: 0, rows: 24, columns: 32 };
    let mat = Mat::new_rows_cols_with_bytes::<Vec3b>(48, 64, image.data())?;
    let (mut small, mut framed) = (Mat::default(), Mat::default());
    imgproc::resize(&mat, &mut small, Size::new(32, 24), 0.0, 0.0, imgproc::INTER_LINEAR)?;
    let gray = opencv::core::Scalar::all(114.0);
    opencv::core::copy_make_border(&small, &mut framed, 4, 5, 0, 0, opencv::core::BORDER_CONSTANT, gray)?;
    let expected: Vec<f32> = framed.data_bytes()?.iter().map(|value| f32::from(*value)).collect();
    for cell in [png, sample_bytes("jpeg", 48, 64, 5)?] {
        let array: ArrayRef = Arc::new(BinaryArray::from_vec(vec![cell.as_slice()]));
        let mut out = vec![f32::NAN; prep.len()];
        assert_eq!(ImageColumn::from_array("image", &array, None)?.tensor_row(0, &prep, &mut out)??, place);
        let borders = [&out[..4 * 32 * 3], &out[28 * 32 * 3..]];
        assert!(borders.iter().flat_map(|part| part.iter()).all(|value| value.to_bits() == 114.0f32.to_bits()));
        if cell.starts_with(b"\x89PNG") {
            assert_eq!(out, expected);
        }
    }
    assert!(TensorPrep { centre: Some(Centre { height: 1.0, width: 1.0 }), ..prep }.check().is_err());
    Ok(())
}
