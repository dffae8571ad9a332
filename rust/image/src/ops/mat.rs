//! Helpers of the operations: new images, channels and colours.

use mmlrs_core::{Error, Result};
use opencv::core::{self as cvc, Mat, MatTraitConst};
use opencv::imgproc as cv;

use crate::image::{Pixmap, cv_error};

/// Runs an OpenCV function that writes into a new `Mat`.
pub fn run(f: impl FnOnce(&mut Mat) -> opencv::Result<()>) -> Result<Pixmap<'static>> {
    let mut out = Mat::default();
    f(&mut out).map_err(|e| cv_error(&e))?;
    Ok(Pixmap::from(out))
}

/// A copy of an image.
pub fn copy(src: &Pixmap<'_>) -> Result<Pixmap<'static>> {
    src.try_clone().map(Pixmap::from).map_err(|e| cv_error(&e))
}

/// Converts colours by a code of OpenCV.
pub fn convert(src: &Pixmap<'_>, code: i32) -> Result<Pixmap<'static>> {
    run(|out| cv::cvt_color_def(src, out, code))
}

/// Converts any image to BGR; alpha is dropped.
pub fn to_bgr(src: &Pixmap<'_>) -> Result<Pixmap<'static>> {
    to_channels(src, 3)
}

/// Converts any image to gray (1), BGR (3) or BGRA (4, opaque if it had no alpha).
pub fn to_channels(src: &Pixmap<'_>, channels: usize) -> Result<Pixmap<'static>> {
    let code = match (src.channels(), channels) {
        (1, 3) => cv::COLOR_GRAY2BGR,
        (1, 4) => cv::COLOR_GRAY2BGRA,
        (3, 1) => cv::COLOR_BGR2GRAY,
        (3, 4) => cv::COLOR_BGR2BGRA,
        (4, 1) => cv::COLOR_BGRA2GRAY,
        (4, 3) => cv::COLOR_BGRA2BGR,
        _ => return copy(src),
    };
    convert(src, code)
}

/// The alpha channel, if there is one.
pub fn split_alpha(src: &Pixmap<'_>) -> Result<Option<Pixmap<'static>>> {
    if src.channels() != 4 {
        return Ok(None);
    }
    run(|out| cvc::extract_channel(src, out, 3)).map(Some)
}

/// A copy of an image with one channel replaced.
pub fn with_channel(src: &Pixmap<'_>, channel: &Pixmap<'_>, index: i32) -> Result<Pixmap<'static>> {
    let mut out = src.try_clone().map_err(|e| cv_error(&e))?;
    cvc::insert_channel(channel, &mut out, index).map_err(|e| cv_error(&e))?;
    Ok(Pixmap::from(out))
}

/// Returns an error unless the image has one of these numbers of channels. The remedy converts to the first one.
pub fn needs(src: &Pixmap<'_>, channels: &[usize]) -> Result<()> {
    let actual = src.channels() as usize;
    if channels.contains(&actual) {
        return Ok(());
    }
    let described = |n: usize| match n {
        1 => "1 channel (gray)",
        3 => "3 channels (BGR)",
        _ => "4 channels (BGRA)",
    };
    let expected: Vec<&str> = channels.iter().map(|n| described(*n)).collect();
    let space = match channels.first() {
        Some(3) => "bgr",
        Some(4) => "bgra",
        _ => "gray",
    };
    Err(Error::decode(format!(
        "needs images of {}, got {}; put colorFormat(\"{space}\") before it",
        expected.join(" or "),
        described(actual),
    )))
}

/// Applies a function to gray directly, and to colour on its luma, so that hues stay. Alpha is unchanged.
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
