//! Image columns: cells that may still be encoded, and the steps to apply to them.

mod boxes;
mod evaluate;
mod images;
mod materialize;
mod source;
#[cfg(test)]
mod tests;

pub use boxes::{Boxes, check_boxes};
pub use images::{ImageColumn, Step, input_images};
pub(crate) use materialize::each_row;
pub(crate) use source::{Cell, Source};
pub use source::{accepted_input, check_image_input};
