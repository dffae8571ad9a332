//! The layers.

mod activation;
mod dense;

pub use activation::Activation;
pub use dense::Dense;
