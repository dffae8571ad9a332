//! The image stages, one file each, and the two arrays they write.

mod image_transformer;
mod tensor_array;
mod unroll_binary_image;
mod unroll_image;
mod vector_array;

pub use image_transformer::ImageTransformer;
pub use unroll_binary_image::UnrollBinaryImage;
pub use unroll_image::UnrollImage;

use mmlrs_core::{Block, Context, Result};

use crate::column::ImageColumn;

/// The image column a stage reads, with origins from another column if one is named.
fn input_images(block: &Block, name: &str, origins: Option<&str>, cx: &Context) -> Result<ImageColumn> {
    let origins = origins.map(|column| block.column(column)?.to_arrow(cx)).transpose()?;
    ImageColumn::from_column(name, block.column(name)?, origins.as_ref())
}
