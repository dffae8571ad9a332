//! Converts images to float tensors: decodes, resizes, normalizes and writes in one pass.

mod doubt;
mod jpeg;
mod letterbox;
mod paint;
mod prep;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

use image::ImageFormat;
use image::metadata::Orientation;
use mmlrs_core::{Error, Result};

use crate::codec;
use crate::column::ImageColumn;
use crate::image::{Image, ImageView};
use crate::ops::{self, Interpolation};
use crate::options::DecodeOptions;
use crate::resample::{Plane, Taps};
pub use doubt::{Factor, normalization_doubt};
use letterbox::letterboxed;
pub use letterbox::{Letterbox, Placement};
use paint::Paint;
pub use prep::{Centre, ChannelOrder, Layout, TensorPrep};
use sweep::Sweep;
use write::{SCRATCH, write_sweep};

impl ImageColumn {
    /// Writes `row` as floats into `out`, which has [`TensorPrep::len`] elements, and returns the rectangle that shows the image.
    ///
    /// The outer error is final and comes from an earlier stage of this column whose policy is to fail. The inner error is a
    /// bad row, for the caller's own policy; the content of `out` is then undefined.
    pub fn tensor_row(&self, row: usize, prep: &TensorPrep, out: &mut [f32]) -> Result<Result<Placement, Error>> {
        prep.check()?;
        if out.len() != prep.len() {
            return Err(Error::runtime(format!("the tensor has {} floats, expected {}", out.len(), prep.len())));
        }
        let placed = |e: Error| e.from_origin(self.origin(row));
        if let Some(bytes) = self.encoded(row) {
            let options = self.steps().first().map_or(&prep.decode, |step| &step.decode);
            match tensor_from_encoded(bytes, options, prep, out) {
                Ok(place) => return Ok(Ok(place)),
                Err(error) if self.steps().is_empty() => return Ok(Err(placed(error))),
                // The code below finds the step whose policy applies.
                Err(_) => {}
            }
        }
        match self.evaluate(row, &prep.decode)? {
            Ok(pixels) => Ok(tensor_from_view(pixels.view(), prep, out).map_err(placed)),
            Err(rejection) => Ok(Err(rejection.0)),
        }
    }
}

fn tensor_from_encoded(bytes: &[u8], options: &DecodeOptions, prep: &TensorPrep, out: &mut [f32]) -> Result<Placement> {
    if prep.interpolation == Interpolation::Area
        && prep.centre.is_none()
        && prep.letterbox.is_none()
        && codec::sniff(bytes, options)? == ImageFormat::Jpeg
        && jpeg::tensor_from_jpeg(bytes, options, prep, out)?
    {
        return Ok(prep.whole());
    }
    if prep.interpolation == Interpolation::Nearest {
        return tensor_from_view(codec::decode(bytes, options)?.view(), prep, out);
    }
    let decoded = codec::decode_for(bytes, options, &|height, width| whole_size(prep, height, width))?;
    // The sides of an image at a reduced scale are rounded.
    tensor_of(decoded.image.view(), (decoded.full_height, decoded.full_width), prep, out)
}

/// The size that an image of this size would have if its centre had the size of the tensor.
fn whole_size(prep: &TensorPrep, height: usize, width: usize) -> (usize, usize) {
    if let Some(letterbox) = prep.letterbox {
        let place = letterbox.place((height, width), (prep.height, prep.width));
        return (place.rows, place.columns);
    }
    let Some(centre) = prep.centre else { return (prep.height, prep.width) };
    let (_, _, rows, columns) = centre.rectangle(height, width);
    ((prep.height * height).div_ceil(rows), (prep.width * width).div_ceil(columns))
}

/// Crops or letterboxes, resizes and normalizes a decoded image.
pub(crate) fn tensor_from_view(image: ImageView<'_>, prep: &TensorPrep, out: &mut [f32]) -> Result<Placement> {
    tensor_of(image, (image.height(), image.width()), prep, out)
}

/// Like [`tensor_from_view`], for an image whose size at full scale is `full`.
fn tensor_of(image: ImageView<'_>, full: (usize, usize), prep: &TensorPrep, out: &mut [f32]) -> Result<Placement> {
    if let Some(letterbox) = prep.letterbox {
        let place = letterbox.place(full, (prep.height, prep.width));
        let boxed = letterboxed(image, place, (prep.height, prep.width), prep.interpolation, &prep.decode)?;
        area_tensor(boxed.view(), prep, out)?;
        return Ok(place);
    }
    match prep.centre {
        Some(centre) => resized_tensor(centre_of(image, centre)?.view(), prep, out)?,
        None => resized_tensor(image, prep, out)?,
    }
    Ok(prep.whole())
}

fn centre_of(image: ImageView<'_>, centre: Centre) -> Result<Image> {
    let (top, left, rows, columns) = centre.rectangle(image.height(), image.width());
    let (pixel, line) = (image.channels(), image.width() * image.channels());
    let lines = image.data().chunks_exact(line).skip(top).take(rows);
    let data = lines.flat_map(|line| &line[left * pixel..(left + columns) * pixel]).copied().collect();
    Image::new(rows, columns, pixel, data)
}

fn resized_tensor(image: ImageView<'_>, prep: &TensorPrep, out: &mut [f32]) -> Result<()> {
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
