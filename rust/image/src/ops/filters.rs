//! Morphology, derivatives, kernels and thresholds that read the neighbourhood of a pixel.

use mmlrs_core::{Error, Result};
use opencv::core::{self as cvc, Mat, MatTraitConst, Point, Scalar, Size};
use opencv::imgproc::{self as cv, CLAHETrait};

use super::mat::{needs, on_luma, run, split_alpha, with_channel};
use super::{Derivative, Op};
use crate::image::{Pixmap, cv_error};

/// OpenCV's default border: mirrored, without repeating the edge pixel.
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
        other => Err(Error::runtime(format!("`{}` is not a filter", other.name()))),
    }
}

/// The derivative in 8 bits. Values below 0 become 0, or with `absolute` their absolute value, computed in 16 bits.
fn derivative(src: &Pixmap<'_>, of: Derivative, scale: f64, delta: f64, absolute: bool) -> Result<Pixmap<'static>> {
    let depth = if absolute { cvc::CV_16S } else { -1 };
    let derivative = run(|out| match of {
        Derivative::Sobel { dx, dy, aperture } => cv::sobel(src, out, depth, dx, dy, aperture, scale, delta, BORDER),
        Derivative::Scharr { dx, dy } => cv::scharr(src, out, depth, dx, dy, scale, delta, BORDER),
        Derivative::Laplacian { aperture } => cv::laplacian(src, out, depth, aperture, scale, delta, BORDER),
    })?;
    if absolute { run(|out| cvc::convert_scale_abs(&derivative, out, 1.0, 0.0)) } else { Ok(derivative) }
}
