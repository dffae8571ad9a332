//! The layers.

mod activation;
mod convolution;
mod dense;
mod depthwise;
mod dropout;
mod gelu;
mod normalization;
mod pooling;
mod residual;
mod sliding;
mod softmax;
mod window;

pub use activation::Activation;
pub use convolution::Convolution;
pub use dense::Dense;
pub use depthwise::Depthwise;
pub use dropout::Dropout;
pub use gelu::Gelu;
pub use normalization::BatchNormalization;
pub use pooling::{Flatten, GlobalMean, Kind, Pooling};
pub use residual::Residual;
pub use softmax::Softmax;
pub use window::{Padding, Window};
