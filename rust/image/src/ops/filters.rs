//! Morphology, derivatives, kernels and thresholds that look at the neighbourhood.

use mmlrs_core::{Error, Result};
use opencv::core::{self as cvc, Mat, MatTraitConst, Point, Scalar, Size};
use opencv::imgproc::{self as cv, CLAHETrait};

use super::apply::{convert, run, split_alpha, to_bgr, to_channels, with_channel};
use super::{Derivative, Op};
use crate::image::{Pixmap, cv_error};

/// `OpenCV`'s own default: mirrored, the edge pixel not repeated.
const BORDER: i32 = cvc::BORDER_DEFAULT;
/// The middle of a kernel.
const CENTRE: Point = Point::new(-1, -1);

/// Applies one of the operations of this file.
pub fn apply(src: &Pixmap<'_>, op: &Op) -> Result<Pixmap<'static>> {
    match op {
        Op::Morphology { operation, shape, height, width, iterations, .. } => {
            let size = Size::new(*width, *height);
            let kernel = cv::get_structuring_element(*shape, size, CENTRE).map_err(|e| cv_error(&e))?;
            let outside = cv::morphology_default_border_value().map_err(|e| cv_error(&e))?;
            let border = cvc::BORDER_CONSTANT;
            run(|out| cv::morphology_ex(src, out, *operation, &kernel, CENTRE, *iterations, border, outside))
        }
        Op::Derivative { of, scale, delta, absolute } => derivative(src, *of, *scale, *delta, *absolute),
        Op::Filter2D { kernel, delta } => {
            let numbers: Vec<f32> = kernel.iter().flatten().map(|v| *v as f32).collect();
            let (rows, columns) = (kernel.len() as i32, kernel.first().map_or(0, Vec::len) as i32);
            let kernel = Mat::new_rows_cols_with_data(rows, columns, &numbers).map_err(|e| cv_error(&e))?;
            run(|out| cv::filter_2d(src, out, -1, &kernel, CENTRE, *delta, BORDER))
        }
        Op::AdaptiveThreshold { max_value, method, kind, block, constant } => {
            needs(src, &[1])?;
            run(|out| cv::adaptive_threshold(src, out, *max_value, *method, *kind, *block, *constant))
        }
        Op::Clahe { clip_limit, tiles } => {
            let size = Size::new(tiles.0, tiles.1);
            on_luma(src, |luma| {
                let mut clahe = cv::create_clahe(*clip_limit, size).map_err(|e| cv_error(&e))?;
                run(|out| clahe.apply(luma, out))
            })
        }
        Op::InRange { lower, upper } => {
            needs(src, &[lower.len()])?;
            let scalar = |values: &[f64]| {
                let nth = |i: usize| values.get(i).copied().unwrap_or(0.0);
                Scalar::new(nth(0), nth(1), nth(2), nth(3))
            };
            run(|out| cvc::in_range(src, &scalar(lower), &scalar(upper), out))
        }
        Op::BrightnessContrast { brightness, contrast } => {
            let changed = run(|out| src.convert_to(out, -1, *contrast, *brightness))?;
            match split_alpha(src)? {
                Some(alpha) => with_channel(&changed, &alpha, 3),
                None => Ok(changed),
            }
        }
        other => Err(Error::runtime(format!("`{}` is no filter", other.name()))),
    }
}

/// Fails unless the image has one of these numbers of channels; the first is what the remedy makes.
pub fn needs(src: &Pixmap<'_>, channels: &[usize]) -> Result<()> {
    let found = src.channels() as usize;
    if channels.contains(&found) {
        return Ok(());
    }
    let described = |n: usize| match n {
        1 => "1 channel (gray)",
        3 => "3 channels (BGR)",
        _ => "4 channels (BGRA)",
    };
    let wanted: Vec<&str> = channels.iter().map(|n| described(*n)).collect();
    let space = match channels.first() {
        Some(3) => "bgr",
        Some(4) => "bgra",
        _ => "gray",
    };
    Err(Error::decode(format!(
        "takes images of {}, this one has {}; put colorFormat(\"{space}\") before it",
        wanted.join(" or "),
        described(found),
    )))
}

/// The derivative in 8 bits: values below 0 are 0, or with `absolute` their size, from 16 bits in between.
fn derivative(src: &Pixmap<'_>, of: Derivative, scale: f64, delta: f64, absolute: bool) -> Result<Pixmap<'static>> {
    let depth = if absolute { cvc::CV_16S } else { -1 };
    let made = run(|out| match of {
        Derivative::Sobel { dx, dy, aperture } => cv::sobel(src, out, depth, dx, dy, aperture, scale, delta, BORDER),
        Derivative::Scharr { dx, dy } => cv::scharr(src, out, depth, dx, dy, scale, delta, BORDER),
        Derivative::Laplacian { aperture } => cv::laplacian(src, out, depth, aperture, scale, delta, BORDER),
    })?;
    if absolute { run(|out| cvc::convert_scale_abs(&made, out, 1.0, 0.0)) } else { Ok(made) }
}

/// Gray directly; colour on its luma, so that hues stay; alpha as it is.
pub fn on_luma(
    src: &Pixmap<'_>,
    change: impl FnOnce(&Pixmap<'_>) -> Result<Pixmap<'static>>,
) -> Result<Pixmap<'static>> {
    if src.channels() == 1 {
        return change(src);
    }
    let ycc = convert(&to_bgr(src)?, cv::COLOR_BGR2YCrCb)?;
    let luma = run(|out| cvc::extract_channel(&ycc, out, 0))?;
    let changed = change(&luma)?;
    let bgr = convert(&with_channel(&ycc, &changed, 0)?, cv::COLOR_YCrCb2BGR)?;
    match split_alpha(src)? {
        Some(alpha) => with_channel(&to_channels(&bgr, 4)?, &alpha, 3),
        None => Ok(bgr),
    }
}
