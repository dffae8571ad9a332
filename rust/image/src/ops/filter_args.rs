//! The arguments of filters, derivatives and the later operations.

use mmlrs_core::Result;
use opencv::imgproc as cv;
use serde_json::Value;

use super::args::Args;
use super::sizes::{MAX_APERTURE, own, warped_size};
use super::{Derivative, Interpolation, Op};

/// Maximum iterations of a morphological operation.
const MAX_ITERATIONS: i64 = 1000;
/// Maximum distance in pixels that all iterations of a morphological operation reach.
const MAX_REACH: i64 = 1000;
/// Maximum number of tiles along one side of an image.
const MAX_TILES: i64 = 256;

const SHAPES: [(&str, i32); 3] = [("rect", cv::MORPH_RECT), ("cross", cv::MORPH_CROSS), ("ellipse", cv::MORPH_ELLIPSE)];
const MORPHOLOGY: [(&str, i32); 5] = [
    ("open", cv::MORPH_OPEN),
    ("close", cv::MORPH_CLOSE),
    ("gradient", cv::MORPH_GRADIENT),
    ("tophat", cv::MORPH_TOPHAT),
    ("blackhat", cv::MORPH_BLACKHAT),
];
const ADAPTIVE: [(&str, i32); 2] = [("mean", cv::ADAPTIVE_THRESH_MEAN_C), ("gaussian", cv::ADAPTIVE_THRESH_GAUSSIAN_C)];

/// Parses the action with that name.
pub fn parse(action: &str, args: &mut Args<'_>) -> Result<Op> {
    match action {
        "erode" => morphology(args, "erode", cv::MORPH_ERODE),
        "dilate" => morphology(args, "dilate", cv::MORPH_DILATE),
        "morphologyEx" => {
            let named = named(args, "op", &MORPHOLOGY)?;
            let operation = named.ok_or_else(|| args.missing("op"))?;
            morphology(args, "morphologyEx", operation)
        }
        "sobel" => sobel(args),
        "scharr" => {
            let (dx, dy) = orders(args, 1)?;
            if dx + dy != 1 {
                return Err(args.error("needs `dx` 1 and `dy` 0, or `dx` 0 and `dy` 1"));
            }
            derivative(args, Derivative::Scharr { dx, dy })
        }
        "laplacian" => {
            let aperture = opt_odd(args, "apertureSize", 1, 31)?.unwrap_or(1);
            derivative(args, Derivative::Laplacian { aperture })
        }
        "filter2D" => filter_2d(args),
        "adaptiveThreshold" => adaptive_threshold(args),
        "clahe" => clahe(args),
        "inRange" => in_range(args),
        _ => Ok(Op::BrightnessContrast {
            brightness: args.opt_number("brightness")?.unwrap_or(0.0),
            contrast: match args.value("contrast") {
                Some(_) => args.number_from("contrast", 0.0)?,
                None => 1.0,
            },
        }),
    }
}

/// `warpPerspective`, which uses the stage's interpolation unless it names its own.
pub fn warp_perspective(args: &mut Args<'_>, interpolation: Interpolation) -> Result<Op> {
    let interpolation = own(args, interpolation)?;
    let numbers = args.numbers("matrix")?.ok_or_else(|| args.missing("matrix"))?;
    let Ok(matrix) = <[f64; 9]>::try_from(numbers.as_slice()) else {
        return Err(args.error(format!(
            "argument `matrix` must be a list of 9 numbers (3 rows of 3), got {} numbers",
            numbers.len()
        )));
    };
    Ok(Op::WarpPerspective { matrix, size: warped_size(args)?, interpolation })
}

/// A constant of OpenCV by name.
fn named<const N: usize>(
    args: &mut Args<'_>,
    name: &'static str,
    choices: &[(&'static str, i32); N],
) -> Result<Option<i32>> {
    let chosen = args.opt_choice(name, &choices.map(|(word, _)| word))?;
    Ok(chosen.and_then(|word| choices.iter().find(|(name, _)| *name == word)).map(|(_, number)| *number))
}

fn opt_odd(args: &mut Args<'_>, name: &'static str, min: i64, max: i64) -> Result<Option<i32>> {
    match args.value(name) {
        Some(_) => args.odd(name, min, max).map(Some),
        None => Ok(None),
    }
}

fn morphology(args: &mut Args<'_>, action: &'static str, operation: i32) -> Result<Op> {
    let (height, width) = (args.int("height", 1, MAX_APERTURE)? as i32, args.int("width", 1, MAX_APERTURE)? as i32);
    let shape = named(args, "shape", &SHAPES)?.unwrap_or(cv::MORPH_RECT);
    let iterations = args.opt_int("iterations", 1, MAX_ITERATIONS)?.unwrap_or(1) as i32;
    let reach = i64::from(iterations) * i64::from(height.max(width) - 1);
    if reach > MAX_REACH {
        return Err(args.error(format!(
            "{iterations} iterations of {height} x {width} reach {reach} pixels; iterations x (size - 1) must be at most \
             {MAX_REACH}"
        )));
    }
    Ok(Op::Morphology { action, operation, height, width, shape, iterations })
}

fn orders(args: &mut Args<'_>, max: i64) -> Result<(i32, i32)> {
    let dx = args.opt_int("dx", 0, max)?.unwrap_or(0) as i32;
    let dy = args.opt_int("dy", 0, max)?.unwrap_or(0) as i32;
    Ok((dx, dy))
}

fn sobel(args: &mut Args<'_>) -> Result<Op> {
    let aperture = opt_odd(args, "apertureSize", 1, 31)?.unwrap_or(3);
    let (dx, dy) = orders(args, 30)?;
    if dx + dy == 0 {
        return Err(args.error("needs `dx` or `dy` above 0: the order of the derivative along rows (x) or columns (y)"));
    }
    if dx.max(dy) >= aperture.max(3) {
        return Err(args.error(format!(
            "the orders of the derivative, `dx` {dx} and `dy` {dy}, must be at most {} with `apertureSize` {aperture}",
            aperture.max(3) - 1
        )));
    }
    derivative(args, Derivative::Sobel { dx, dy, aperture })
}

fn derivative(args: &mut Args<'_>, of: Derivative) -> Result<Op> {
    Ok(Op::Derivative {
        of,
        scale: args.opt_number("scale")?.unwrap_or(1.0),
        delta: args.opt_number("delta")?.unwrap_or(0.0),
        absolute: args.opt_bool("absolute")?.unwrap_or(false),
    })
}

fn filter_2d(args: &mut Args<'_>) -> Result<Op> {
    let delta = args.opt_number("delta")?.unwrap_or(0.0);
    let value = args.value("kernel").ok_or_else(|| args.missing("kernel"))?;
    let row = |row: &Value| row.as_array()?.iter().map(|v| v.as_f64().filter(|v| v.is_finite())).collect();
    let kernel: Option<Vec<Vec<f64>>> = value.as_array().and_then(|rows| rows.iter().map(row).collect());
    let fits = |n: usize| (1..=MAX_APERTURE as usize).contains(&n);
    match kernel {
        Some(kernel) if fits(kernel.len()) && kernel.iter().all(|r| fits(r.len()) && r.len() == kernel[0].len()) => {
            Ok(Op::Filter2D { kernel, delta })
        }
        _ => Err(args.error(format!(
            "argument `kernel` must be a list of rows of numbers, all of one length, of 1 to {MAX_APERTURE} rows and columns"
        ))),
    }
}

fn adaptive_threshold(args: &mut Args<'_>) -> Result<Op> {
    Ok(Op::AdaptiveThreshold {
        max_value: args.number_from("maxVal", 0.0)?,
        method: named(args, "method", &ADAPTIVE)?.unwrap_or(cv::ADAPTIVE_THRESH_MEAN_C),
        kind: args.opt_int("type", 0, 1)?.unwrap_or(0) as i32,
        block: args.odd("blockSize", 3, MAX_APERTURE)?,
        constant: args.number("C")?,
    })
}

fn clahe(args: &mut Args<'_>) -> Result<Op> {
    let clip_limit = match args.value("clipLimit") {
        Some(_) => args.number_from("clipLimit", 0.0)?,
        None => 40.0,
    };
    let tiles = match args.value("tileGridSize") {
        None => (8, 8),
        Some(value) => {
            let numbers: Option<Vec<i64>> = match value {
                Value::Array(items) => items.iter().map(Value::as_i64).collect(),
                other => other.as_i64().map(|n| vec![n, n]),
            };
            match numbers.as_deref() {
                Some([columns, rows]) if [columns, rows].iter().all(|n| (1..=MAX_TILES).contains(*n)) => {
                    (*columns as i32, *rows as i32)
                }
                _ => {
                    let want = format!("a number of tiles from 1 to {MAX_TILES}, or a list of two: columns and rows");
                    return Err(args.invalid("tileGridSize", want, value));
                }
            }
        }
    };
    Ok(Op::Clahe { clip_limit, tiles })
}

/// One number, or one per channel.
fn bound(args: &mut Args<'_>, name: &'static str) -> Result<Vec<f64>> {
    match args.value(name) {
        Some(Value::Array(_)) => Ok(args.numbers(name)?.unwrap_or_default()),
        _ => Ok(vec![args.number(name)?]),
    }
}

fn in_range(args: &mut Args<'_>) -> Result<Op> {
    let (lower, upper) = (bound(args, "lower")?, bound(args, "upper")?);
    if lower.len() != upper.len() || ![1, 3, 4].contains(&lower.len()) {
        return Err(args.error(format!(
            "arguments `lower` and `upper` must each have one number per channel, 1, 3 or 4, got {} and {}",
            lower.len(),
            upper.len()
        )));
    }
    Ok(Op::InRange { lower, upper })
}
