//! Letterboxing: an image fills the tensor as far as its aspect ratio allows, and a gray border fills the rest.

use mmlrs_core::Result;

use crate::image::{Image, ImageView};
use crate::ops::{self, Interpolation};
use crate::options::DecodeOptions;

/// The gray of the border, as in YOLO.
const BORDER: u8 = 114;

/// Where the image is in a letterboxed tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Letterbox {
    /// In the middle, as in `YOLOv5` and later: sides are rounded, and of an odd border the smaller half is first.
    Middle,
    /// In the top left corner, as in YOLOX: sides are rounded down.
    Corner,
}

/// The rectangle of a tensor that shows the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Placement {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

impl Letterbox {
    /// The rectangle for an image of this size in a tensor of `rows` and `columns`.
    pub fn place(self, (height, width): (usize, usize), (rows, columns): (usize, usize)) -> Placement {
        let ratio = (rows as f64 / height as f64).min(columns as f64 / width as f64);
        let scaled = |side: usize, limit: usize| {
            let side = side as f64 * ratio;
            let whole = if self == Self::Middle { side.round_ties_even() } else { side.floor() };
            (whole as usize).clamp(1, limit)
        };
        let (inner_rows, inner_columns) = (scaled(height, rows), scaled(width, columns));
        let before = |outer: usize, inner: usize| match self {
            Self::Middle => (outer - inner) / 2,
            Self::Corner => 0,
        };
        let (top, left) = (before(rows, inner_rows), before(columns, inner_columns));
        Placement { top, left, rows: inner_rows, columns: inner_columns }
    }
}

/// Resizes the image into a rectangle of an image of `rows` and `columns`, on a gray border.
pub fn letterboxed(
    image: ImageView<'_>,
    place: Placement,
    (rows, columns): (usize, usize),
    interpolation: Interpolation,
    limits: &DecodeOptions,
) -> Result<Image> {
    let resized;
    let inner = if (image.height(), image.width()) == (place.rows, place.columns) {
        image
    } else {
        resized = image.with_mat(|mat| {
            let mat = ops::resize(mat, place.rows, place.columns, interpolation, limits)?;
            Image::from_mat(&mat)
        })?;
        resized.view()
    };
    if (inner.height(), inner.width()) == (rows, columns) {
        return Ok(inner.to_image());
    }
    let channels = inner.channels();
    let mut data = vec![BORDER; rows * columns * channels];
    let lines = data.chunks_exact_mut(columns * channels).skip(place.top);
    for (line, pixels) in lines.zip(inner.data().chunks_exact(place.columns * channels)) {
        line[place.left * channels..][..pixels.len()].copy_from_slice(pixels);
    }
    Image::new(rows, columns, channels, data)
}
