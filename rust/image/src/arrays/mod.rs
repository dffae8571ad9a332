//! The arrays that stages write, and the number of channels of their images.

pub mod channels;
pub mod tensor;
pub mod vector;
