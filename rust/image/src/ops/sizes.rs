//! Arguments that many operations share: sizes and the interpolation.

use mmlrs_core::Result;

use super::Interpolation;
use super::args::Args;

/// Maximum side length that an operation may request.
pub const MAX_SIDE: i64 = 65_500;
/// Maximum side length of an image that OpenCV can warp.
pub const MAX_WARP: i64 = 32_766;
/// Maximum width of a filter.
pub const MAX_APERTURE: i64 = 255;

/// A height or a width.
pub fn side(args: &mut Args<'_>, name: &'static str) -> Result<usize> {
    Ok(args.int(name, 1, MAX_SIDE)? as usize)
}

/// The operation's own interpolation, else the stage's.
pub fn own(args: &mut Args<'_>, fallback: Interpolation) -> Result<Interpolation> {
    let name = args.opt_choice("interpolation", &Interpolation::NAMES)?;
    Ok(name.and_then(Interpolation::from_name).unwrap_or(fallback))
}

/// Height and width of a warped image. If neither is given, those of the image itself.
pub fn warped_size(args: &mut Args<'_>) -> Result<Option<(usize, usize)>> {
    let height = args.opt_int("height", 1, MAX_WARP)?.map(|v| v as usize);
    let width = args.opt_int("width", 1, MAX_WARP)?.map(|v| v as usize);
    if height.is_some() != width.is_some() {
        return Err(args.error("needs both `height` and `width`, or neither"));
    }
    Ok(height.zip(width))
}
