//! The columns that networks read: vectors, or images that are decoded to the network's size.

use arrow_schema::{DataType, Field};
use mmlrs_core::types::{ML_ATTR_KEY, is_vector_struct, type_name};
use mmlrs_core::vector::{VectorRow, Vectors};
use mmlrs_core::{Block, Context, Error, Result};
use mmlrs_image::{ImageColumn, Layout, TensorPrep, accepted_input, input_images};

use crate::shape::Shape;

/// A column of features.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per batch, never in a list")]
pub enum Features {
    /// Vectors or lists of numbers.
    Vectors(Vectors, usize),
    /// Images. Their values are those of the pixels divided by 255, in RGB, row by row.
    Images(ImageColumn, TensorPrep),
}

/// Returns an error if a column of this type cannot hold the rows of a network.
pub fn check_features(name: &str, field: &Field, input: Shape) -> Result<()> {
    let (kind, width) = (field.data_type(), input.len());
    if accepted_input(kind) {
        return prep(name, input).map(|_| ());
    }
    let is_list = match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_numeric()
        }
        DataType::Null => true,
        _ => false,
    };
    if !is_list && !is_vector_struct(kind) {
        let message = format!("has type {}; expected vectors or lists of numbers", type_name(kind));
        return Err(Error::schema(name, message));
    }
    let declared = || {
        let attributes: serde_json::Value = serde_json::from_str(field.metadata().get(ML_ATTR_KEY)?).ok()?;
        attributes["num_attrs"].as_u64().map(|size| size as usize)
    };
    let size = if let DataType::FixedSizeList(_, size) = kind { usize::try_from(*size).ok() } else { declared() };
    match size {
        Some(size) if size != width => {
            Err(Error::schema(name, format!("has vectors of {size} values; the network reads {width}")))
        }
        _ => Ok(()),
    }
}

/// The conversion of an image to a row.
fn prep(name: &str, input: Shape) -> Result<TensorPrep> {
    match input {
        Shape::Image { height, width, channels } if [1, 3].contains(&channels) => {
            Ok(TensorPrep { channels, scale: 1.0 / 255.0, layout: Layout::Nhwc, ..TensorPrep::new(height, width) })
        }
        _ => {
            let message = format!("has images; the network reads {input}, not images with 1 or 3 channels");
            Err(Error::schema(name, message))
        }
    }
}

impl Features {
    /// Reads a column of a batch.
    ///
    /// # Errors
    /// The column is missing or of another type.
    pub fn new(block: &Block, name: &str, input: Shape, cx: Context) -> Result<Self> {
        let column = block.column(name)?;
        if accepted_input(&column.data_type()) {
            return Ok(Self::Images(input_images(block, name, None, cx)?, prep(name, input)?));
        }
        Ok(Self::Vectors(Vectors::from_array(name, &column.to_arrow(&cx)?)?, input.len()))
    }

    /// Appends the values of a row. The inner error is that of a bad row, without its place.
    ///
    /// # Errors
    /// An earlier stage of an image column fails.
    pub fn push(&self, row: usize, x: &mut Vec<f32>) -> Result<Result<(), Error>> {
        match self {
            Self::Vectors(vectors, width) => Ok(push_vector(vectors, row, *width, x).map_err(Error::decode)),
            Self::Images(images, prep) => {
                let start = x.len();
                x.resize(start + prep.len(), 0.0);
                let done = images.tensor_row(row, prep, &mut x[start..])?;
                if done.is_err() {
                    x.truncate(start);
                }
                Ok(done.map(|_| ()))
            }
        }
    }
}

/// Appends the values of a vector, or returns why it cannot be used.
///
/// # Errors
/// The vector is null, of another size, or has a null or a number that is not finite in single precision.
pub fn push_vector(vectors: &Vectors, row: usize, width: usize, x: &mut Vec<f32>) -> Result<(), String> {
    let vector = vectors.row(row).ok_or("is null")?;
    if let Some(slot) = vectors.gap(row) {
        return Err(format!("has a null in slot {slot}"));
    }
    if vector.size() != width {
        return Err(format!("has {} values; the network reads {width}", vector.size()));
    }
    let start = x.len();
    match vector {
        VectorRow::Dense(values) => x.extend(values.iter().map(|value| *value as f32)),
        VectorRow::Sparse { indices, values, .. } => {
            x.resize(start + width, 0.0);
            indices.iter().zip(values).for_each(|(slot, value)| x[start + *slot as usize] = *value as f32);
        }
    }
    if let Some(slot) = x[start..].iter().position(|value| !value.is_finite()) {
        x.truncate(start);
        return Err(format!("has NaN, an infinity or a number beyond single precision in slot {slot}"));
    }
    Ok(())
}
