//! Parses the param `stages` into typed operations.

use mmlrs_core::{Error, Operation, Result, suggestion};

use super::args::Args;
use super::sizes::{MAX_APERTURE, MAX_SIDE, own, side, warped_size};
use super::{Border, ColorCode, Interpolation, Op, Resize, ResizeTo, boxes, filter_args};

const ACTIONS: [&str; 28] = [
    "resize",
    "crop",
    "centerCrop",
    "colorFormat",
    "blur",
    "threshold",
    "gaussianKernel",
    "flip",
    "rotate",
    "medianBlur",
    "bilateralFilter",
    "canny",
    "equalizeHist",
    "warpAffine",
    "pad",
    "erode",
    "dilate",
    "morphologyEx",
    "sobel",
    "scharr",
    "laplacian",
    "filter2D",
    "adaptiveThreshold",
    "warpPerspective",
    "clahe",
    "inRange",
    "brightnessContrast",
    "drawBoxes",
];

/// Parses the operations. `interpolation` applies to those that do not name their own. Action names are case-insensitive. An
/// error names the item, the action and the argument.
pub fn parse_ops(operations: &[Operation], interpolation: Interpolation) -> Result<Vec<Op>> {
    operations.iter().enumerate().map(|(index, operation)| parse_op(index, operation, interpolation)).collect()
}

fn parse_op(index: usize, operation: &Operation, interpolation: Interpolation) -> Result<Op> {
    let mut args = Args::new(index, operation);
    if operation.action.eq_ignore_ascii_case("normalize") {
        return Err(Error::param("stages", format!("item {index}: `normalize` must be the last operation")));
    }
    let Some(action) = ACTIONS.iter().find(|a| a.eq_ignore_ascii_case(&operation.action)) else {
        return Err(Error::param(
            "stages",
            format!(
                "item {index}: unknown action `{}`{}; the actions are {}",
                operation.action,
                suggestion(&operation.action, ACTIONS.iter().copied()),
                ACTIONS.join(", ")
            ),
        ));
    };
    let a = &mut args;
    let op = match *action {
        "resize" => resize(a, interpolation)?,
        "crop" => crop(a)?,
        "drawBoxes" => Op::DrawBoxes { style: boxes::style(a)?, boxes: Vec::new() },
        "centerCrop" => Op::CenterCrop { height: side(a, "height")?, width: side(a, "width")? },
        "colorFormat" => color_format(a)?,
        "blur" => Op::Blur {
            height: a.int("height", 1, MAX_APERTURE)? as i32,
            width: a.int("width", 1, MAX_APERTURE)? as i32,
        },
        "threshold" => threshold(a)?,
        "gaussianKernel" => Op::GaussianKernel {
            aperture: a.odd("apertureSize", 1, MAX_APERTURE)?,
            sigma: a.number_from("sigma", 0.0)?,
        },
        "flip" => Op::Flip { code: a.opt_int("code", -1, 1)?.unwrap_or(1) as i32 },
        "rotate" => Op::Rotate { degrees: a.number("degrees")?, interpolation: own(a, interpolation)? },
        "medianBlur" => Op::MedianBlur { aperture: a.odd("apertureSize", 1, MAX_APERTURE)? },
        "bilateralFilter" => {
            let diameter = a.int("diameter", -1, MAX_APERTURE)? as i32;
            let (sigma_color, sigma_space) = (a.number_from("sigmaColor", 0.0)?, a.number_from("sigmaSpace", 0.0)?);
            // OpenCV then uses one and a half times the sigma as the radius.
            if diameter <= 0 && 3.0 * sigma_space > MAX_APERTURE as f64 {
                let max_sigma = MAX_APERTURE / 3;
                return Err(a.error(format!(
                    "argument `sigmaSpace` must be at most {max_sigma} if it sets the diameter, got {sigma_space}"
                )));
            }
            Op::BilateralFilter { diameter, sigma_color, sigma_space }
        }
        "canny" => Op::Canny {
            threshold1: a.number_from("threshold1", 0.0)?,
            threshold2: a.number_from("threshold2", 0.0)?,
            aperture: canny_aperture(a)?,
        },
        "equalizeHist" => Op::EqualizeHist,
        "warpAffine" => warp_affine(a, interpolation)?,
        "warpPerspective" => filter_args::warp_perspective(a, interpolation)?,
        "pad" => pad(a)?,
        other => filter_args::parse(other, a)?,
    };
    args.finish()?;
    Ok(op)
}

/// A crop to a rectangle or, without one, to the box of each row.
fn crop(args: &mut Args<'_>) -> Result<Op> {
    if !["x", "y", "height", "width"].iter().any(|name| args.has(name)) {
        return Ok(Op::CropBox { margin: boxes::margin(args)?, area: None });
    }
    if args.has("margin") {
        return Err(args.error("argument `margin` is for a crop to a box, without x, y, height and width"));
    }
    Ok(Op::Crop {
        x: args.int("x", 0, MAX_SIDE)? as usize,
        y: args.int("y", 0, MAX_SIDE)? as usize,
        height: side(args, "height")?,
        width: side(args, "width")?,
    })
}

fn resize(args: &mut Args<'_>, interpolation: Interpolation) -> Result<Op> {
    let interpolation = own(args, interpolation)?;
    let size = args.opt_int("size", 1, MAX_SIDE)?.map(|v| v as usize);
    let keep = args.opt_bool("keepAspectRatio")?;
    let height = args.opt_int("height", 1, MAX_SIDE)?.map(|v| v as usize);
    let width = args.opt_int("width", 1, MAX_SIDE)?.map(|v| v as usize);
    let to = match (size, height, width) {
        (Some(size), None, None) if keep.unwrap_or(true) => ResizeTo::ShorterSide(size),
        (Some(size), None, None) => ResizeTo::Exact { height: size, width: size },
        (None, Some(height), Some(width)) if keep.is_none() => ResizeTo::Exact { height, width },
        _ => {
            let (hint, misspelt) = match (size, height, width) {
                (None, None, Some(_)) => ("`height` is missing: ", args.misspelt("height")),
                (None, Some(_), None) => ("`width` is missing: ", args.misspelt("width")),
                _ => ("", String::new()),
            };
            return Err(args.error(format!(
                "{hint}takes either `height` and `width`, or `size` and optionally `keepAspectRatio`: the shorter side \
                 becomes `size`, the other keeps the ratio{misspelt}"
            )));
        }
    };
    Ok(Op::Resize(Resize { to, interpolation }))
}

fn color_format(args: &mut Args<'_>) -> Result<Op> {
    // MMLSpark called the argument `format`.
    let old = args.value("format");
    let Some(value) = args.value("code").or(old) else { return Err(args.missing("code")) };
    let code = match (value.as_i64(), value.as_str()) {
        (Some(code), _) => ColorCode::from_code(code),
        (_, Some(name)) => ColorCode::from_name(name),
        _ => None,
    };
    code.map(Op::ColorFormat).ok_or_else(|| args.invalid("code", ColorCode::allowed(), value))
}

fn threshold(args: &mut Args<'_>) -> Result<Op> {
    let (threshold, max_value) = (args.number("threshold")?, args.number("maxVal")?);
    let kind = args.opt_int("type", 0, 31)?.unwrap_or(0) as i32;
    if kind % 8 > 4 || kind / 8 > 2 {
        return Err(args.error(format!(
            "argument `type` must be 0 to 4, plus 8 (Otsu) or 16 (triangle) for a computed threshold, got {kind}"
        )));
    }
    Ok(Op::Threshold { threshold, max_value, kind })
}

fn canny_aperture(args: &mut Args<'_>) -> Result<i32> {
    let aperture = args.opt_int("apertureSize", 3, 7)?.unwrap_or(3);
    if aperture % 2 == 0 {
        return Err(args.error(format!("argument `apertureSize` must be 3, 5 or 7, got {aperture}")));
    }
    Ok(aperture as i32)
}

fn warp_affine(args: &mut Args<'_>, interpolation: Interpolation) -> Result<Op> {
    let interpolation = own(args, interpolation)?;
    let numbers = args.numbers("matrix")?.ok_or_else(|| args.missing("matrix"))?;
    let Ok(matrix) = <[f64; 6]>::try_from(numbers.as_slice()) else {
        return Err(args.error(format!(
            "argument `matrix` must be a list of 6 numbers (2 rows of 3), got {} numbers",
            numbers.len()
        )));
    };
    Ok(Op::WarpAffine { matrix, size: warped_size(args)?, interpolation })
}

fn pad(args: &mut Args<'_>) -> Result<Op> {
    let mut edge = |name| Ok::<_, Error>(args.opt_int(name, 0, MAX_SIDE)?.unwrap_or(0) as usize);
    let (top, bottom, left, right) = (edge("top")?, edge("bottom")?, edge("left")?, edge("right")?);
    let value = match args.value("value") {
        None => [0.0; 4],
        Some(value) if value.is_array() => {
            let numbers = args.numbers("value")?.unwrap_or_default();
            if numbers.is_empty() || numbers.len() > 4 {
                return Err(args.invalid("value", "a number or a list of 1 to 4 numbers", value));
            }
            std::array::from_fn(|i| numbers.get(i).copied().unwrap_or(0.0))
        }
        Some(_) => [args.number("value")?; 4],
    };
    let border = match args.opt_choice("mode", &["constant", "reflect", "reflect101", "replicate"])? {
        None | Some("constant") => Border::Constant(value),
        Some("reflect") => Border::Reflect,
        Some("reflect101") => Border::Reflect101,
        Some(_) => Border::Replicate,
    };
    Ok(Op::Pad { top, bottom, left, right, border })
}
