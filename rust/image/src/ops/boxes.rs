//! Operations with boxes: crop to one, and draw all.

use mmlrs_core::{Error, Result};
use opencv::core::{Mat, MatTraitConst, Point, Rect, Scalar};
use opencv::imgproc as cv;

use super::args::Args;
use super::mat::{copy, to_bgr};
use super::{Area, DrawStyle, Labelled};
use crate::image::{Pixmap, cv_error};

/// Maximum margin, as a fraction of the box.
const MAX_MARGIN: f64 = 10.0;
/// Maximum thickness of a line, in pixels.
const MAX_THICKNESS: i64 = 100;
/// Colours that also people with colour-blindness tell apart (Okabe and Ito), in the order blue, green, red.
const COLOURS: [[f64; 3]; 7] = [
    [0.0, 159.0, 230.0],
    [233.0, 180.0, 86.0],
    [115.0, 158.0, 0.0],
    [66.0, 228.0, 240.0],
    [178.0, 114.0, 0.0],
    [0.0, 94.0, 213.0],
    [167.0, 121.0, 204.0],
];
/// The length of the shorter side, in pixels, for which lines are one pixel thick.
const PIXELS_PER_LINE: usize = 240;

/// Part of a pixel that only rounding adds to a box.
const ROUNDING: f64 = 1e-4;

/// The margin of `crop` around a box.
pub fn margin(args: &mut Args<'_>) -> Result<f64> {
    let margin = args.opt_number("margin")?.unwrap_or(0.0);
    if !(0.0..=MAX_MARGIN).contains(&margin) {
        return Err(args.error(format!(
            "argument `margin` must be between 0 and {MAX_MARGIN}, a fraction of the box, got {margin}"
        )));
    }
    Ok(margin)
}

/// The arguments of `drawBoxes`.
pub fn style(args: &mut Args<'_>) -> Result<DrawStyle> {
    let thickness = args.opt_int("thickness", 1, MAX_THICKNESS)?.map(|pixels| pixels as i32);
    let texts = args.opt_bool("labels")?.unwrap_or(true);
    let color = args.numbers("color")?;
    let color = match color.as_deref() {
        None => None,
        Some(&[blue, green, red]) if [blue, green, red].iter().all(|c| (0.0..=255.0).contains(c)) => {
            Some([blue, green, red])
        }
        Some(_) => return Err(args.error("argument `color` must be three numbers from 0 to 255: blue, green, red")),
    };
    Ok(DrawStyle { thickness, texts, color })
}

/// First pixel and number of pixels of a part of a side, widened by a margin and cut off at the borders.
fn span(start: f64, length: f64, margin: f64, side: i32) -> Option<(i32, i32)> {
    let whole = f64::from(side);
    let first = ((start - length * margin) * whole + ROUNDING).floor().clamp(0.0, whole);
    let last = ((start + length * (1.0 + margin)) * whole - ROUNDING).ceil().clamp(0.0, whole);
    (last > first).then_some((first as i32, (last - first) as i32))
}

/// The pixels of a box, without what is outside the image. `None` if that is all of it.
fn rectangle((rows, columns): (i32, i32), area: Area, margin: f64) -> Option<Rect> {
    let (x, width) = span(area.x, area.width, margin, columns)?;
    let (y, height) = span(area.y, area.height, margin, rows)?;
    Some(Rect::new(x, y, width, height))
}

/// The pixels that a box covers, if only in part.
pub fn crop_box(src: &Pixmap<'_>, area: Option<Area>, margin: f64) -> Result<Pixmap<'static>> {
    let area = area.ok_or_else(|| Error::runtime("there is no box to crop to"))?;
    let Area { x, y, width, height } = area;
    let part = rectangle((src.rows(), src.cols()), area, margin).ok_or_else(|| {
        Error::decode(format!(
            "the box x {x}, y {y}, width {width}, height {height} has no pixel of the image; fractions of the image are expected"
        ))
    })?;
    copy(&src.roi(part).map_err(|e| cv_error(&e))?)
}

/// Draws boxes with their labels. A gray image becomes BGR.
pub fn draw_boxes(src: &Pixmap<'_>, style: DrawStyle, boxes: &[Labelled]) -> Result<Pixmap<'static>> {
    let gray = (src.channels() == 1).then(|| to_bgr(src)).transpose()?;
    let mut out: Mat = gray.as_ref().unwrap_or(src).try_clone().map_err(|e| cv_error(&e))?;
    let shorter = out.rows().min(out.cols()) as usize;
    let thickness = style.thickness.unwrap_or((shorter / PIXELS_PER_LINE).max(1) as i32);
    // The most probable box is first. It is drawn last.
    for labelled in boxes.iter().rev() {
        let Some(part) = rectangle((out.rows(), out.cols()), labelled.area, 0.0) else { continue };
        let [blue, green, red] =
            style.color.unwrap_or_else(|| colour_of(labelled.label.as_deref().unwrap_or_default()));
        let color = Scalar::new(blue, green, red, 255.0);
        cv::rectangle(&mut out, part, color, thickness, cv::LINE_8, 0).map_err(|e| cv_error(&e))?;
        if style.texts
            && let Some(text) = text_of(labelled)
        {
            write(&mut out, &text, part, color, thickness).map_err(|e| cv_error(&e))?;
        }
    }
    Ok(Pixmap::from(out))
}

/// A colour that depends on the label only.
fn colour_of(label: &str) -> [f64; 3] {
    let sum = label.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    COLOURS[sum % COLOURS.len()]
}

/// The label and the score in percent. OpenCV's font has ASCII characters only.
fn text_of(labelled: &Labelled) -> Option<String> {
    let score = labelled.score.map(|score| format!("{:.0}%", score * 100.0));
    let parts: Vec<&str> = labelled.label.as_deref().into_iter().chain(score.as_deref()).collect();
    let text: String =
        parts.join(" ").chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    (!text.is_empty()).then_some(text)
}

/// Writes a text on a bar above the box, or inside it at the upper border of the image.
fn write(out: &mut Mat, text: &str, part: Rect, color: Scalar, thickness: i32) -> opencv::Result<()> {
    let (font, scale) = (cv::FONT_HERSHEY_SIMPLEX, 0.4 * f64::from(thickness.min(10)));
    let mut base = 0;
    let size = cv::get_text_size(text, font, scale, thickness, &mut base)?;
    let bar = size.height + base + thickness;
    let top = if part.y >= bar { part.y - bar } else { part.y };
    let left = part.x.min(out.cols() - size.width).max(0);
    cv::rectangle(out, Rect::new(left, top, size.width, bar), color, cv::FILLED, cv::LINE_8, 0)?;
    let brightness = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2];
    let ink = if brightness > 110.0 { Scalar::new(0.0, 0.0, 0.0, 255.0) } else { Scalar::all(255.0) };
    let origin = Point::new(left, top + size.height + thickness);
    cv::put_text(out, text, origin, font, scale, ink, thickness, cv::LINE_AA, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_every_pixel_that_the_box_touches() {
        assert_eq!(span(0.25, 0.5, 0.0, 10), Some((2, 6)));
        assert_eq!(span(0.0, 1.0, 0.0, 10), Some((0, 10)));
        assert_eq!(span(0.4, 0.2, 0.5, 10), Some((3, 4)));
        assert_eq!(span(-0.5, 0.75, 0.0, 10), Some((0, 3)));
        assert_eq!(span(0.95, 5.0, 0.0, 10), Some((9, 1)));
        assert_eq!(span(0.5, 0.0, 0.0, 10), None);
        assert_eq!(span(1.0, 0.5, 0.0, 10), None);
        assert_eq!(span(-2.0, 1.0, 0.0, 10), None);
    }

    #[test]
    fn texts_have_the_label_and_the_score() {
        let text = |label: Option<&str>, score| {
            let area = Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
            text_of(&Labelled { area, label: label.map(str::to_owned), score })
        };
        assert_eq!(text(Some("cat"), Some(0.944)).as_deref(), Some("cat 94%"));
        assert_eq!(text(Some("Bär"), None).as_deref(), Some("B?r"));
        assert_eq!(text(None, Some(1.0)).as_deref(), Some("100%"));
        assert_eq!(text(None, None), None);
        assert_eq!(colour_of("cat").map(f64::to_bits), colour_of("cat").map(f64::to_bits));
    }
}
