//! The conversion of an image to the input of a network.

use mmlrs_core::{Error, Result};

use super::letterbox::{Letterbox, Placement};
use crate::ops::Interpolation;
use crate::options::DecodeOptions;

/// The order of the colour channels in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first.
    Bgr,
}

/// The order of the axes of one image in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// Channels, rows, columns.
    #[default]
    Nchw,
    /// Rows, columns, channels.
    Nhwc,
}

/// The conversion of an image to the input of a network: value = (x * scale - mean\[c\]) / std\[c\].
#[derive(Debug, Clone, PartialEq)]
pub struct TensorPrep {
    /// Number of rows of the tensor.
    pub height: usize,
    /// Number of columns of the tensor.
    pub width: usize,
    /// Mean per channel in tensor order. A single value applies to all; empty means 0.
    pub mean: Vec<f32>,
    /// Standard deviation per channel in tensor order. A single value applies to all; empty means 1.
    pub std: Vec<f32>,
    /// Factor on the pixel values 0 to 255, applied before mean and deviation.
    pub scale: f32,
    /// Order of the channels.
    pub channel_order: ChannelOrder,
    /// 3 (colour) or 1 (gray; colour images are converted to gray).
    pub channels: usize,
    /// Order of the axes.
    pub layout: Layout,
    /// How the image is resized to the tensor's size. [`Interpolation::Area`] is the fast path.
    pub interpolation: Interpolation,
    /// Whether gray images are converted to colour if `channels` is 3. Otherwise they are an error.
    pub auto_convert_to_color: bool,
    /// How encoded images are decoded, unless an earlier stage decides.
    pub decode: DecodeOptions,
    /// The part of the image to use, if not all of it.
    pub centre: Option<Centre>,
    /// Whether the image keeps its aspect ratio, on a gray border, instead of filling the tensor.
    pub letterbox: Option<Letterbox>,
}

/// The centre of an image: a rectangle whose sides are fractions of the image's shorter side. To resize the shorter side to 256 and
/// to crop 224 x 224 pixels is to use the centre with fractions of 224/256.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Centre {
    /// Height as a fraction of the shorter side.
    pub height: f64,
    /// Width as a fraction of the shorter side.
    pub width: f64,
}

impl Centre {
    /// Top, left, height and width of the rectangle in an image, which it does not exceed.
    pub fn rectangle(self, height: usize, width: usize) -> (usize, usize, usize, usize) {
        let shorter = height.min(width) as f64;
        let side = |fraction: f64, limit: usize| ((shorter * fraction).round() as usize).clamp(1, limit);
        let (rows, columns) = (side(self.height, height), side(self.width, width));
        ((height - rows) / 2, (width - columns) / 2, rows, columns)
    }
}

impl TensorPrep {
    /// A conversion of colour images to this size, with plain values 0 to 255 in RGB, channels first.
    pub fn new(height: usize, width: usize) -> Self {
        Self {
            height,
            width,
            mean: Vec::new(),
            std: Vec::new(),
            scale: 1.0,
            channel_order: ChannelOrder::Rgb,
            channels: 3,
            layout: Layout::Nchw,
            interpolation: Interpolation::Area,
            auto_convert_to_color: true,
            decode: DecodeOptions::default(),
            centre: None,
            letterbox: None,
        }
    }

    /// The rectangle of an image that fills the tensor.
    pub fn whole(&self) -> Placement {
        Placement { top: 0, left: 0, rows: self.height, columns: self.width }
    }

    /// Number of floats in one image's tensor.
    pub fn len(&self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(self.channels)
    }

    /// True for a tensor without elements, which [`TensorPrep::check`] rejects.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an error for invalid sizes and factors.
    pub fn check(&self) -> Result<()> {
        if self.is_empty() || ![1, 3].contains(&self.channels) {
            return Err(Error::runtime(format!(
                "a tensor of {} x {} x {} is not possible: height and width must be at least 1 and channels must be 1 or 3",
                self.channels, self.height, self.width
            )));
        }
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if ![0, 1, self.channels].contains(&values.len()) {
                return Err(Error::runtime(format!(
                    "{name} has {} values for {} channels",
                    values.len(),
                    self.channels
                )));
            }
        }
        if self.centre.is_some_and(|c| !(c.height > 0.0 && c.width > 0.0)) {
            return Err(Error::runtime("the centre of an image must have a height and a width"));
        }
        if self.centre.is_some() && self.letterbox.is_some() {
            return Err(Error::runtime("an image is either letterboxed or cropped to its centre"));
        }
        if self.std.contains(&0.0) {
            return Err(Error::runtime("std must not be 0"));
        }
        Ok(())
    }
}
