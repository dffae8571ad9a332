//! The arrays that stages write, and how many channels their images have.

pub mod channels;
pub mod tensor;
pub mod vector;
