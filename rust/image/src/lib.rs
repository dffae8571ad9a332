//! Images for mmlrs: decoding, lazy image columns, OpenCV operations, tensors and the image stages.
//!
//! An image is 8-bit BGR (or gray, or BGRA) rows: [`Image`]. An [`ImageColumn`] holds cells that may still be encoded and the
//! steps to apply to them. Nothing is decoded until a row is needed. Networks read rows with [`ImageColumn::tensor_row`], which
//! decodes, resizes and normalizes in one pass.

mod arrays;
mod codec;
mod column;
mod hash;
mod image;
mod ops;
mod options;
mod resample;
pub mod sample;
pub mod stages;
mod tensor;

#[cfg(test)]
mod stage_tests;

pub use codec::{Decoded, decode, decode_for, encode};
pub use column::{ImageColumn, Step, accepted_input, check_image_input, input_images};
pub use image::{Image, ImageView, opencv_version};
pub use ops::{Interpolation, Op, Resize, apply_ops, parse_ops};
pub use options::{Alpha, DecodeOptions};
pub use tensor::{Centre, ChannelOrder, Factor, Layout, Letterbox, Placement, TensorPrep, normalization_doubt};
