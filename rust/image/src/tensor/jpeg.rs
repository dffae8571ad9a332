//! The fast path from a JPEG to a tensor. The JPEG is decoded only to its stored Y, Cb and Cr planes. Each plane is resized
//! separately, and colours are converted at the tensor's size.

use mmlrs_core::{Counter, Result};
use turbojpeg::{Colorspace, Decompressor, Subsamp, YuvImage, yuv_pixels_len};

use super::paint::{Paint, Source};
use super::prep::TensorPrep;
use super::sweep::Sweep;
use super::write::{SCRATCH, write_sweep};
use crate::codec::jpeg::{Header, judge, read_header, set_scale, with_decompressor};
use crate::codec::swaps_axes;
use crate::options::DecodeOptions;
use crate::resample::{Plane, Taps};

/// Row alignment of the planes, for vectorised loops.
const ALIGN: usize = 32;

/// Writes the tensor and returns true. Returns false for JPEGs that must be decoded to BGR.
pub fn tensor_from_jpeg(bytes: &[u8], options: &DecodeOptions, prep: &TensorPrep, out: &mut [f32]) -> Result<bool> {
    with_decompressor(|decompressor| {
        let Some(header) = read_header(decompressor, bytes, options)? else { return Ok(false) };
        let planar = matches!(header.jpeg.colorspace, Colorspace::YCbCr | Colorspace::Gray);
        if !planar || header.jpeg.is_lossless || header.jpeg.subsamp == Subsamp::Unknown {
            return Ok(false);
        }
        let gray = header.jpeg.colorspace == Colorspace::Gray;
        let paint = Paint::new(prep, gray)?;
        SCRATCH.with_borrow_mut(|scratch| {
            let yuv = decode_planes(decompressor, bytes, &header, options, prep, &mut scratch.yuv)?;
            let job = job(&yuv, &header, prep, paint);
            write_sweep(&job, header.orientation, prep.layout, &mut scratch.planar, &mut scratch.sweep, out);
            Ok(true)
        })
    })
}

fn decode_planes<'a>(
    decompressor: &mut Decompressor,
    bytes: &[u8],
    header: &Header,
    options: &DecodeOptions,
    prep: &TensorPrep,
    buffer: &'a mut Vec<u8>,
) -> Result<YuvImage<&'a [u8]>> {
    let scale =
        if options.scaled_decode { header.scale_for((prep.height, prep.width)) } else { turbojpeg::ScalingFactor::ONE };
    set_scale(decompressor, scale)?;
    let scaled = header.jpeg.scaled(scale);
    let subsamp = header.jpeg.subsamp;
    let len = yuv_pixels_len(scaled.width, ALIGN, scaled.height, subsamp)
        .map_err(|e| mmlrs_core::Error::limit(format!("JPEG: {e}")))?;
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let pixels = &mut buffer[..len];
    let image = YuvImage { pixels, width: scaled.width, align: ALIGN, height: scaled.height, subsamp };
    judge(decompressor.decompress_to_yuv(bytes, image), bytes)?;
    Counter::ImageDecodes.add(1);
    Ok(YuvImage { pixels: &buffer[..len], width: scaled.width, align: ALIGN, height: scaled.height, subsamp })
}

/// Slices the planes and sets how each is resized. Sizes are those of the stored orientation.
fn job<'a>(yuv: &YuvImage<&'a [u8]>, header: &Header, prep: &TensorPrep, paint: Paint) -> Sweep<'a> {
    let swapped = swaps_axes(header.orientation);
    let (height, width) = if swapped { (prep.width, prep.height) } else { (prep.height, prep.width) };
    // The image ends inside the last sample if its size is not a multiple of the scale or of the subsampling.
    let scale = [1, 2, 4, 8]
        .into_iter()
        .find(|d| header.jpeg.width.div_ceil(*d) == yuv.width && header.jpeg.height.div_ceil(*d) == yuv.height)
        .unwrap_or(1) as f64;
    let (tall, wide) = (header.jpeg.height as f64 / scale, header.jpeg.width as f64 / scale);
    let (y_width, y_height) = (yuv.y_width(), yuv.y_height());
    let y_stride = y_width.next_multiple_of(ALIGN);
    let (y_data, chroma) = yuv.pixels.split_at((y_stride * y_height).min(yuv.pixels.len()));
    let plane = |data: &'a [u8], stride: usize, size: (usize, usize), extent: (f64, f64)| Plane {
        data,
        stride,
        width: size.1,
        channels: 1,
        vertical: Taps::new(size.0, extent.0, height),
        horizontal: Taps::new(size.1, extent.1, width),
    };
    let luma = plane(y_data, y_stride, (yuv.height, yuv.width), (tall, wide));
    if header.jpeg.colorspace == Colorspace::Gray || paint.channels == 1 {
        return Sweep { planes: vec![luma], source: Source::Gray, height, width, paint };
    }
    // The library's width of a chroma plane is its stride. Data after the last sample is not part of the image.
    let (uv_stride, uv_height) = (yuv.uv_width(), yuv.uv_height());
    let (u_data, v_data) = chroma.split_at((uv_stride * uv_height).min(chroma.len()));
    let (sub_width, sub_height) = yuv.subsamp.size();
    let uv_width = yuv.width.div_ceil(sub_width);
    let extent = (tall / sub_height as f64, wide / sub_width as f64);
    let chroma = |data| plane(data, uv_stride, (uv_height, uv_width), extent);
    Sweep { planes: vec![luma, chroma(u_data), chroma(v_data)], source: Source::YCbCr, height, width, paint }
}
