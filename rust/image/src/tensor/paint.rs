//! Converts resized rows to normalized tensor rows, and orders the output.

#![expect(clippy::inline_always, reason = "only code inlined into the multiversioned loop uses its instruction set")]

use image::metadata::Orientation;
use mmlrs_core::Result;

use super::prep::{ChannelOrder, Layout, TensorPrep};
use crate::codec::swaps_axes;
use crate::ops::gray_error;

/// The content of the resized rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// One row of gray.
    Gray,
    /// Rows of blue, green, red (and alpha, which is ignored).
    Bgr,
    /// Rows of Y, Cb, Cr as JPEG defines them.
    YCbCr,
}

/// The last step on a row: colour conversion and `x * gain + offset` per output channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    pub channels: usize,
    gain: [f32; 3],
    offset: [f32; 3],
    order: ChannelOrder,
}

impl Paint {
    /// The step for gray images or for colour images.
    pub fn new(prep: &TensorPrep, gray: bool) -> Result<Self> {
        if gray && prep.channels == 3 && !prep.auto_convert_to_color {
            return Err(gray_error(3));
        }
        let nth = |values: &[f32], i: usize, empty: f32| match values {
            [] => empty,
            [one] => *one,
            many => many.get(i).copied().unwrap_or(empty),
        };
        let gain = std::array::from_fn(|i| prep.scale / nth(&prep.std, i, 1.0));
        let offset = std::array::from_fn(|i| -nth(&prep.mean, i, 0.0) / nth(&prep.std, i, 1.0));
        Ok(Self { channels: prep.channels, gain, offset, order: prep.channel_order })
    }

    /// Converts row `y` of `width` pixels into `out`, whose planes are `plane` floats apart. `rows` holds the source's rows one
    /// after the other.
    #[inline(always)]
    pub fn row(&self, source: Source, rows: &[f32], width: usize, y: usize, plane: usize, out: &mut [f32]) {
        let at = |channel: usize| channel * plane + y * width;
        if self.channels == 1 {
            let target = &mut out[at(0)..at(0) + width];
            match source {
                Source::Gray | Source::YCbCr => self.straight(0, &rows[..width], target),
                Source::Bgr => self.luma(rows, width, target),
            }
            return;
        }
        let (first, rest) = out.split_at_mut(plane);
        let (second, third) = rest.split_at_mut(plane);
        let span = y * width..(y + 1) * width;
        let targets = [&mut first[span.clone()], &mut second[span.clone()], &mut third[span]];
        match source {
            Source::Gray => {
                for (channel, target) in targets.into_iter().enumerate() {
                    self.straight(channel, &rows[..width], target);
                }
            }
            Source::Bgr => {
                let (blue, green, red) = (&rows[..width], &rows[width..2 * width], &rows[2 * width..3 * width]);
                let sources = match self.order {
                    ChannelOrder::Rgb => [red, green, blue],
                    ChannelOrder::Bgr => [blue, green, red],
                };
                for (channel, (source, target)) in sources.into_iter().zip(targets).enumerate() {
                    self.straight(channel, source, target);
                }
            }
            Source::YCbCr => self.ycbcr(rows, width, targets),
        }
    }

    #[inline(always)]
    fn straight(&self, channel: usize, row: &[f32], out: &mut [f32]) {
        let (gain, offset) = (self.gain[channel], self.offset[channel]);
        for (out, value) in out.iter_mut().zip(row) {
            *out = value * gain + offset;
        }
    }

    #[inline(always)]
    fn luma(&self, rows: &[f32], width: usize, out: &mut [f32]) {
        let (gain, offset) = (self.gain[0], self.offset[0]);
        let (blue, green, red) = (&rows[..width], &rows[width..2 * width], &rows[2 * width..3 * width]);
        for (((out, b), g), r) in out.iter_mut().zip(blue).zip(green).zip(red) {
            *out = (0.114 * b + 0.587 * g + 0.299 * r) * gain + offset;
        }
    }

    /// The matrix of JFIF, clipping to 8 bits, then the normalization.
    #[inline(always)]
    fn ycbcr(&self, rows: &[f32], width: usize, [a, b, c]: [&mut [f32]; 3]) {
        let (luma, cb, cr) = (&rows[..width], &rows[width..2 * width], &rows[2 * width..3 * width]);
        let (a, b, c) = (&mut a[..width], &mut b[..width], &mut c[..width]);
        let [red_gain, green_gain, blue_gain] = self.gain;
        let [red_offset, green_offset, blue_offset] = self.offset;
        let rgb = |x: usize| {
            let (y, cb, cr) = (luma[x], cb[x] - 128.0, cr[x] - 128.0);
            [y + 1.402 * cr, y - 0.344_136_3 * cb - 0.714_136_3 * cr, y + 1.772 * cb]
        };
        let in_range = |value: f32| value.clamp(0.0, 255.0);
        match self.order {
            ChannelOrder::Rgb => {
                for x in 0..width {
                    let [red, green, blue] = rgb(x);
                    a[x] = in_range(red) * red_gain + red_offset;
                    b[x] = in_range(green) * green_gain + green_offset;
                    c[x] = in_range(blue) * blue_gain + blue_offset;
                }
            }
            ChannelOrder::Bgr => {
                for x in 0..width {
                    let [red, green, blue] = rgb(x);
                    a[x] = in_range(blue) * red_gain + red_offset;
                    b[x] = in_range(green) * green_gain + green_offset;
                    c[x] = in_range(red) * blue_gain + blue_offset;
                }
            }
        }
    }
}

/// Copies planes of `stored` height and width into the tensor, upright and in the requested layout.
pub fn arrange(planar: &[f32], stored: (usize, usize), orientation: Orientation, layout: Layout, out: &mut [f32]) {
    let (rows, cols) = stored;
    let (height, width) = if swaps_axes(orientation) { (cols, rows) } else { (rows, cols) };
    let plane = rows * cols;
    let channels = planar.len() / plane;
    for y in 0..height {
        for x in 0..width {
            let (sy, sx) = match orientation {
                Orientation::NoTransforms => (y, x),
                Orientation::FlipHorizontal => (y, cols - 1 - x),
                Orientation::FlipVertical => (rows - 1 - y, x),
                Orientation::Rotate180 => (rows - 1 - y, cols - 1 - x),
                Orientation::Rotate90 => (rows - 1 - x, y),
                Orientation::Rotate270 => (x, cols - 1 - y),
                Orientation::Rotate90FlipH => (x, y),
                Orientation::Rotate270FlipH => (rows - 1 - x, cols - 1 - y),
            };
            for channel in 0..channels {
                let to = match layout {
                    Layout::Nchw => channel * plane + y * width + x,
                    Layout::Nhwc => (y * width + x) * channels + channel,
                };
                out[to] = planar[channel * plane + sy * cols + sx];
            }
        }
    }
}
