//! The image stages, one file each.

mod image_transformer;
mod unroll_binary_image;
mod unroll_image;

pub use image_transformer::ImageTransformer;
pub use unroll_binary_image::UnrollBinaryImage;
pub use unroll_image::UnrollImage;
