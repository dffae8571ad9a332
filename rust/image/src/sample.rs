//! Small images for samples, examples and tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Column, Context, Result, ThreadBudget, types};

use crate::codec::encode;
use crate::column::ImageColumn;
use crate::image::Image;

/// A colour image with soft shapes, texture and an edge, determined by `seed`.
pub fn sample_image(height: usize, width: usize, seed: u32) -> Result<Image> {
    let phase = f64::from(seed % 97) * 0.37;
    let mut noise = seed.wrapping_mul(2_654_435_761) | 1;
    let mut data = Vec::with_capacity(height * width * 3);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f64 / width as f64, y as f64 / height as f64);
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let grain = f64::from(noise % 9) - 4.0;
            let inside = (u - 0.5).hypot(v - 0.45) < 0.3;
            let wave = ((u * 7.0 + phase).sin() + (v * 5.0 - phase).cos()) * 28.0;
            let base = if inside { 150.0 } else { 90.0 };
            for tint in [-25.0 + 60.0 * v, 10.0 * u, 25.0 + 40.0 * u * v] {
                data.push((base + wave + tint + grain).clamp(0.0, 255.0) as u8);
            }
        }
    }
    Image::new(height, width, 3, data)
}

/// [`sample_image`] encoded as `"jpeg"` or `"png"`.
pub fn sample_bytes(format: &str, height: usize, width: usize, seed: u32) -> Result<Vec<u8>> {
    encode(sample_image(height, width, seed)?.view(), format, 90)
}

/// A table with one column of encoded images of `height` x `width` pixels, alternately JPEG and PNG.
pub fn binary_batch(column: &str, rows: u32, height: usize, width: usize) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new(column, DataType::Binary, true)]));
    let batch = binary_array(rows, height, width).and_then(|a| Ok(RecordBatch::try_new(schema.clone(), vec![a])?));
    batch.unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// The images of [`binary_batch`] as Spark image structs.
pub fn image_batch(column: &str, rows: u32, height: usize, width: usize) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new(column, types::image_type(), true)]));
    let batch = binary_array(rows, height, width).and_then(|encoded| {
        let images = ImageColumn::from_array(column, &encoded, None)?;
        let array = Column::Native(Arc::new(images)).to_arrow(&Context { threads: ThreadBudget::new(1) })?;
        Ok(RecordBatch::try_new(schema.clone(), vec![array])?)
    });
    batch.unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

fn binary_array(rows: u32, height: usize, width: usize) -> Result<ArrayRef> {
    let cells: Vec<Vec<u8>> = (0..rows)
        .map(|i| sample_bytes(if i % 2 == 0 { "jpeg" } else { "png" }, height, width, i))
        .collect::<Result<_>>()?;
    Ok(Arc::new(BinaryArray::from_iter_values(cells)))
}

/// A JPEG with an EXIF block that states this orientation (1 to 8).
pub fn jpeg_with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".as_slice(), &[orientation, 0, 0, 0], &[0; 4]]
        .concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let (start, rest) = jpeg.split_at(jpeg.len().min(2));
    [start, &[0xff, 0xe1], &length, &exif, rest].concat()
}
