//! Operations on pixels, applied by OpenCV.

use mmlrs_core::{Error, Result};
use opencv::core::{self as cvc, Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Point2f, Rect, Scalar, Size};
use opencv::imgproc as cv;

use super::boxes::{crop_box, draw_boxes};
use super::filters;
use super::mat::{convert, copy, needs, on_luma, run, to_bgr, to_channels};
use super::sizes::MAX_WARP;
use super::{Border, ColorCode, Conversion, Interpolation, Op};
use crate::codec;
use crate::image::{Image, ImageView, Pixmap, cv_error};
use crate::options::DecodeOptions;
use crate::resample::{Plane, Taps, shrink};

/// Maximum product of pixels and neighbours of a bilateral filter, about a minute on one core.
const MAX_BILATERAL: f64 = 40_000_000_000.0;

/// Applies operations in order. `limits` bounds the size an operation may produce.
pub fn apply_ops(image: ImageView<'_>, ops: &[Op], limits: &DecodeOptions) -> Result<Image> {
    let Some((first, rest)) = ops.split_first() else { return Ok(image.to_image()) };
    let named = |op: &Op, error: Error| Error::new(error.kind(), format!("{}: {}", op.name(), error.message()));
    image.with_mat(|mat| {
        let mut current = apply(mat, first, limits).map_err(|e| named(first, e))?;
        for op in rest {
            current = apply(&current, op, limits).map_err(|e| named(op, e))?;
        }
        Image::from_mat(&current)
    })
}

fn apply(src: &Pixmap<'_>, op: &Op, limits: &DecodeOptions) -> Result<Pixmap<'static>> {
    let border = cvc::BORDER_DEFAULT;
    match op {
        Op::Resize(to) => {
            let (height, width) = to.target(src.rows() as usize, src.cols() as usize);
            resize(src, height, width, to.interpolation, limits)
        }
        Op::Crop { x, y, height, width } => crop(src, *x, *y, *height, *width),
        Op::CenterCrop { height, width } => center_crop(src, *height, *width),
        Op::ColorFormat(code) => color_format(src, *code),
        Op::Blur { height, width } => run(|out| cv::blur_def(src, out, Size::new(*width, *height))),
        Op::Threshold { threshold, max_value, kind } => {
            if kind / 8 > 0 {
                needs(src, &[1])?;
            }
            run(|out| cv::threshold(src, out, *threshold, *max_value, *kind).map(drop))
        }
        Op::GaussianKernel { aperture, sigma } => {
            run(|out| cv::gaussian_blur_def(src, out, Size::new(*aperture, *aperture), *sigma))
        }
        Op::Flip { code } => run(|out| cvc::flip(src, out, *code)),
        Op::Rotate { degrees, interpolation } => rotate(src, *degrees, *interpolation),
        Op::MedianBlur { aperture } => run(|out| cv::median_blur(src, out, *aperture)),
        Op::BilateralFilter { diameter, sigma_color, sigma_space } => {
            needs(src, &[3, 1])?;
            check_bilateral(src, *diameter, *sigma_space)?;
            run(|out| cv::bilateral_filter(src, out, *diameter, *sigma_color, *sigma_space, border))
        }
        Op::Canny { threshold1, threshold2, aperture } => {
            run(|out| cv::canny(src, out, *threshold1, *threshold2, *aperture, false))
        }
        Op::EqualizeHist => on_luma(src, |luma| run(|out| cv::equalize_hist(luma, out))),
        Op::WarpAffine { matrix, size, interpolation } => {
            let (height, width) = size.unwrap_or((src.rows() as usize, src.cols() as usize));
            check_size(src, height, width, limits)?;
            let matrix = Mat::new_rows_cols_with_data(2, 3, matrix).map_err(|e| cv_error(&e))?;
            warp(src, &matrix, Size::new(width as i32, height as i32), *interpolation)
        }
        Op::WarpPerspective { matrix, size, interpolation } => {
            let (height, width) = size.unwrap_or((src.rows() as usize, src.cols() as usize));
            check_size(src, height, width, limits)?;
            check_warp(src, height, width)?;
            let matrix = Mat::new_rows_cols_with_data(3, 3, matrix).map_err(|e| cv_error(&e))?;
            let (size, flags) = (Size::new(width as i32, height as i32), interpolation.code());
            let border = cvc::BORDER_CONSTANT;
            run(|out| cv::warp_perspective(src, out, &matrix, size, flags, border, Scalar::default()))
        }
        Op::Pad { top, bottom, left, right, border } => pad(src, [*top, *bottom, *left, *right], *border, limits),
        Op::CropBox { margin, area } => crop_box(src, *area, *margin),
        Op::DrawBoxes { style, boxes } => draw_boxes(src, *style, boxes),
        Op::Channels(channels) => to_channels(src, *channels),
        Op::AutoColor if src.channels() == 1 => to_bgr(src),
        Op::AutoColor => copy(src),
        Op::Colour { channels, expand_gray } => {
            if src.channels() == 1 && !expand_gray {
                return Err(gray_error(*channels));
            }
            to_channels(src, *channels)
        }
        other => filters::apply(src, other),
    }
}

/// The error for a gray image if colour is required and `autoConvertToColor` is off.
pub(crate) fn gray_error(channels: usize) -> Error {
    Error::decode(format!(
        "the image is gray (1 channel), but {channels} channels are required; autoConvertToColor=True converts it"
    ))
}

fn check_size(src: &Pixmap<'_>, height: usize, width: usize, limits: &DecodeOptions) -> Result<()> {
    codec::check_limits(width as u64, height as u64, src.channels() as u64, limits)
}

/// Limits the cost of the filter, which reads all neighbours of each pixel.
fn check_bilateral(src: &Pixmap<'_>, diameter: i32, sigma_space: f64) -> Result<()> {
    // As in OpenCV, the radius follows from `sigmaSpace` if no diameter is given.
    let radius = if diameter > 0 { f64::from(diameter / 2) } else { (sigma_space * 1.5).round().max(1.0) };
    let (pixels, neighbours) = (f64::from(src.rows()) * f64::from(src.cols()), (2.0 * radius + 1.0).powi(2));
    if pixels * neighbours > MAX_BILATERAL {
        return Err(Error::limit(format!(
            "{pixels} pixels x {neighbours} neighbours of each are more than {MAX_BILATERAL}; use a smaller diameter or \
             resize first"
        )));
    }
    Ok(())
}

/// Warps use 16-bit coordinates.
fn check_warp(src: &Pixmap<'_>, height: usize, width: usize) -> Result<()> {
    let longest = height.max(width).max(src.rows() as usize).max(src.cols() as usize);
    if longest > MAX_WARP as usize {
        return Err(Error::limit(format!(
            "images of more than {MAX_WARP} pixels per side cannot be rotated or warped"
        )));
    }
    Ok(())
}

/// Resizes like `cv2.resize`.
pub(crate) fn resize(
    src: &Pixmap<'_>,
    height: usize,
    width: usize,
    interpolation: Interpolation,
    limits: &DecodeOptions,
) -> Result<Pixmap<'static>> {
    check_size(src, height, width, limits)?;
    if interpolation == Interpolation::Area
        && let Some(small) = shrunk(src, height, width)?
    {
        return Ok(small);
    }
    let size = Size::new(width as i32, height as i32);
    run(|out| cv::resize(src, out, size, 0.0, 0.0, interpolation.code()))
}

/// The mean over the covered area, several times as fast as OpenCV's and equal up to rounding; `None` where OpenCV is used.
fn shrunk(src: &Pixmap<'_>, height: usize, width: usize) -> Result<Option<Pixmap<'static>>> {
    let (rows, columns, channels) = (src.rows() as usize, src.cols() as usize, src.channels() as usize);
    // OpenCV is as fast for halves, which it rounds in its own way.
    let is_half = rows == 2 * height && columns == 2 * width;
    if height > rows || width > columns || is_half || !src.is_continuous() {
        return Ok(None);
    }
    let plane = Plane {
        data: src.data_bytes().map_err(|e| cv_error(&e))?,
        stride: columns * channels,
        width: columns,
        channels,
        vertical: Taps::new(rows, rows as f64, height),
        horizontal: Taps::new(columns, columns as f64, width),
    };
    let mut out = Mat::new_rows_cols_with_default(height as i32, width as i32, src.typ(), Scalar::default())
        .map_err(|e| cv_error(&e))?;
    shrink(&plane, height, width, out.data_bytes_mut().map_err(|e| cv_error(&e))?);
    Ok(Some(Pixmap::from(out)))
}

fn crop(src: &Pixmap<'_>, x: usize, y: usize, height: usize, width: usize) -> Result<Pixmap<'static>> {
    let (rows, cols) = (src.rows() as usize, src.cols() as usize);
    if x + width > cols || y + height > rows {
        return Err(Error::runtime(format!(
            "the rectangle of {width} x {height} pixels at x {x}, y {y} is not inside the image of {cols} x {rows} pixels"
        )));
    }
    let area = Rect::new(x as i32, y as i32, width as i32, height as i32);
    copy(&src.roi(area).map_err(|e| cv_error(&e))?)
}

/// The centred rectangle, no larger than the image.
fn center_crop(src: &Pixmap<'_>, height: usize, width: usize) -> Result<Pixmap<'static>> {
    let (rows, cols) = (src.rows() as usize, src.cols() as usize);
    let (height, width) = (height.min(rows), width.min(cols));
    crop(src, cols / 2 - width / 2, rows / 2 - height / 2, height, width)
}

fn color_format(src: &Pixmap<'_>, code: ColorCode) -> Result<Pixmap<'static>> {
    match code {
        ColorCode::Code(conversion) => {
            check_conversion(src, conversion)?;
            convert(src, conversion.code)
        }
        ColorCode::Gray => to_channels(src, 1),
        ColorCode::Bgr => to_channels(src, 3),
        ColorCode::Bgra => to_channels(src, 4),
        ColorCode::FromBgr(code) => convert(&to_bgr(src)?, code),
    }
}

fn check_conversion(src: &Pixmap<'_>, conversion: Conversion) -> Result<()> {
    needs(src, conversion.takes()).map_err(|error| {
        let cause = error.message().split(';').next().unwrap_or_default();
        let remedy = match (conversion.takes(), conversion.makes()) {
            ([1], 3) => "use colorFormat(\"bgr\"), which accepts any image",
            ([1], 4) => "use colorFormat(\"bgra\"), which accepts any image",
            ([1], _) => "put colorFormat(\"gray\") before it",
            ([4], _) => "put colorFormat(\"bgra\") before it",
            _ => "put colorFormat(\"bgr\") before it",
        };
        Error::new(error.kind(), format!("{} {cause}; {remedy}", conversion.name))
    })
}

/// Rotates counter-clockwise about the centre: multiples of 90 degrees exactly, other angles within the image's size.
fn rotate(src: &Pixmap<'_>, degrees: f64, interpolation: Interpolation) -> Result<Pixmap<'static>> {
    let turn = degrees.rem_euclid(360.0);
    let quarter = [0.0, 90.0, 180.0, 270.0].iter().position(|q| (turn - q).abs() < f64::EPSILON);
    match quarter {
        Some(0) => copy(src),
        Some(1) => run(|out| cvc::rotate(src, out, cvc::ROTATE_90_COUNTERCLOCKWISE)),
        Some(2) => run(|out| cvc::rotate(src, out, cvc::ROTATE_180)),
        Some(_) => run(|out| cvc::rotate(src, out, cvc::ROTATE_90_CLOCKWISE)),
        None => {
            let center = Point2f::new((src.cols() - 1) as f32 / 2.0, (src.rows() - 1) as f32 / 2.0);
            let matrix = cv::get_rotation_matrix_2d(center, degrees, 1.0).map_err(|e| cv_error(&e))?;
            warp(src, &Pixmap::from(matrix), Size::new(src.cols(), src.rows()), interpolation)
        }
    }
}

fn warp(src: &Pixmap<'_>, matrix: &Pixmap<'_>, size: Size, interpolation: Interpolation) -> Result<Pixmap<'static>> {
    check_warp(src, size.height as usize, size.width as usize)?;
    let flags = interpolation.code();
    run(|out| cv::warp_affine(src, out, matrix, size, flags, cvc::BORDER_CONSTANT, Scalar::default()))
}

fn pad(
    src: &Pixmap<'_>,
    [top, bottom, left, right]: [usize; 4],
    border: Border,
    limits: &DecodeOptions,
) -> Result<Pixmap<'static>> {
    check_size(src, src.rows() as usize + top + bottom, src.cols() as usize + left + right, limits)?;
    let (kind, value) = match border {
        Border::Constant([a, b, c, d]) => (cvc::BORDER_CONSTANT, Scalar::new(a, b, c, d)),
        Border::Reflect => (cvc::BORDER_REFLECT, Scalar::default()),
        Border::Reflect101 => (cvc::BORDER_REFLECT_101, Scalar::default()),
        Border::Replicate => (cvc::BORDER_REPLICATE, Scalar::default()),
    };
    let [top, bottom, left, right] = [top, bottom, left, right].map(|v| v as i32);
    run(|out| cvc::copy_make_border(src, out, top, bottom, left, right, kind, value))
}
