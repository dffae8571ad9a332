//! How an image becomes the input of a network.

use mmlrs_core::{Error, Result};

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

/// How an image becomes the input of a network: value = (x * scale - mean\[c\]) / std\[c\].
#[derive(Debug, Clone, PartialEq)]
pub struct TensorPrep {
    /// Rows of the tensor.
    pub height: usize,
    /// Columns of the tensor.
    pub width: usize,
    /// Mean per channel in tensor order; one value holds for all; empty means 0.
    pub mean: Vec<f32>,
    /// Standard deviation per channel in tensor order; one value holds for all; empty means 1.
    pub std: Vec<f32>,
    /// Factor on the pixel values 0..255 before mean and deviation.
    pub scale: f32,
    /// Order of the channels.
    pub channel_order: ChannelOrder,
    /// 3 (colour) or 1 (gray; colour images become gray).
    pub channels: usize,
    /// Order of the axes.
    pub layout: Layout,
    /// How the image is resized to the tensor's size; [`Interpolation::Area`] is the fast way.
    pub interpolation: Interpolation,
    /// Gray images become colour where `channels` is 3; otherwise they are an error.
    pub auto_convert_to_color: bool,
    /// How encoded images are decoded, unless an earlier stage decided.
    pub decode: DecodeOptions,
}

impl TensorPrep {
    /// A preparation of colour images of this size with plain 0..255 values in RGB, channels first.
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
        }
    }

    /// Floats in one image's tensor.
    pub fn len(&self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(self.channels)
    }

    /// True for a tensor without elements, which [`TensorPrep::check`] refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fails on sizes and factors that make no tensor.
    pub fn check(&self) -> Result<()> {
        if self.is_empty() || ![1, 3].contains(&self.channels) {
            return Err(Error::runtime(format!(
                "a tensor of {} x {} x {} is not possible: height and width are at least 1, channels 1 or 3",
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
        if self.std.contains(&0.0) {
            return Err(Error::runtime("std must not be 0"));
        }
        Ok(())
    }
}
