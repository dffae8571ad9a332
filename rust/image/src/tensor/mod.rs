//! Images to float tensors: decode, resize, normalise and write in one go.

mod doubt;
mod jpeg;
mod paint;
mod resample;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use image::ImageFormat;
use image::metadata::Orientation;
use mmlrs_core::{Error, Result};

use crate::codec;
use crate::column::ImageColumn;
use crate::image::{Image, ImageView};
use crate::ops::{self, Interpolation};
use crate::options::DecodeOptions;
pub use doubt::{Told, normalization_doubt};
use paint::Paint;
use resample::{Plane, Sweep, Taps, sweep};

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

/// Buffers that each thread keeps from image to image.
#[derive(Default)]
struct Scratch {
    yuv: Vec<u8>,
    planar: Vec<f32>,
    sweep: resample::Buffers,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl ImageColumn {
    /// Writes `row` as floats into `out`, which has [`TensorPrep::len`] elements.
    ///
    /// The outer error is final: an earlier stage of this column whose policy is to fail. The inner error is a bad row
    /// for the caller's own policy; `out` then holds garbage.
    pub fn tensor_row(&self, row: usize, prep: &TensorPrep, out: &mut [f32]) -> Result<Result<(), Error>> {
        prep.check()?;
        if out.len() != prep.len() {
            return Err(Error::runtime(format!("the tensor has {} floats, expected {}", out.len(), prep.len())));
        }
        let placed = |e: Error| e.from_origin(self.origin(row));
        if let Some(bytes) = self.encoded(row) {
            let options = self.steps().first().map_or(&prep.decode, |step| &step.decode);
            match tensor_from_encoded(bytes, options, prep, out) {
                Ok(()) => return Ok(Ok(())),
                Err(error) if self.steps().is_empty() => return Ok(Err(placed(error))),
                // The way below finds the step whose policy decides.
                Err(_) => {}
            }
        }
        match self.evaluate(row, &prep.decode)? {
            Ok(pixels) => Ok(tensor_from_view(pixels.view(), prep, out).map_err(placed)),
            Err(rejection) => Ok(Err(rejection.0)),
        }
    }
}

fn tensor_from_encoded(bytes: &[u8], options: &DecodeOptions, prep: &TensorPrep, out: &mut [f32]) -> Result<()> {
    if prep.interpolation == Interpolation::Area
        && codec::sniff(bytes, options)? == ImageFormat::Jpeg
        && jpeg::tensor_from_jpeg(bytes, options, prep, out)?
    {
        return Ok(());
    }
    let decoded = if prep.interpolation == Interpolation::Nearest {
        codec::decode(bytes, options)?
    } else {
        codec::decode_for(bytes, options, &|_, _| (prep.height, prep.width))?.image
    };
    tensor_from_view(decoded.view(), prep, out)
}

/// Resizes and normalises a decoded image.
pub(crate) fn tensor_from_view(image: ImageView<'_>, prep: &TensorPrep, out: &mut [f32]) -> Result<()> {
    if prep.interpolation != Interpolation::Area && (image.height(), image.width()) != (prep.height, prep.width) {
        let resized: Image = image.with_mat(|mat| {
            let mat = ops::resize(mat, prep.height, prep.width, prep.interpolation, &prep.decode)?;
            Image::from_mat(&mat)
        })?;
        return area_tensor(resized.view(), prep, out);
    }
    area_tensor(image, prep, out)
}

fn area_tensor(image: ImageView<'_>, prep: &TensorPrep, out: &mut [f32]) -> Result<()> {
    let paint = Paint::new(prep, image.channels() == 1)?;
    let channels = image.channels();
    let plane = Plane {
        data: image.data(),
        stride: image.width() * channels,
        width: image.width(),
        channels,
        vertical: Taps::new(image.height(), image.height() as f64, prep.height),
        horizontal: Taps::new(image.width(), image.width() as f64, prep.width),
    };
    let source = if channels == 1 { paint::Source::Gray } else { paint::Source::Bgr };
    let job = Sweep { planes: vec![plane], source, height: prep.height, width: prep.width, paint };
    SCRATCH.with_borrow_mut(|scratch| {
        write_sweep(&job, Orientation::NoTransforms, prep.layout, &mut scratch.planar, &mut scratch.sweep, out);
    });
    Ok(())
}

/// Runs a sweep and brings its planes into the layout and orientation asked for.
fn write_sweep(
    job: &Sweep<'_>,
    orientation: Orientation,
    layout: Layout,
    planar: &mut Vec<f32>,
    buffers: &mut resample::Buffers,
    out: &mut [f32],
) {
    if layout == Layout::Nchw && orientation == Orientation::NoTransforms {
        sweep(job, buffers, out);
        return;
    }
    planar.clear();
    planar.resize(out.len(), 0.0);
    sweep(job, buffers, planar);
    paint::arrange(planar, (job.height, job.width), orientation, layout, out);
}
