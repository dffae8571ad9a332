//! Converts columns to tensors and back.

pub mod exact;
pub mod input;
pub mod nested;
pub mod output;
pub mod results;
pub mod shapes;
pub mod tensor_struct;
