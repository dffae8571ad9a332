//! Neural networks: layers, losses and optimizers on flat vectors of parameters.
//!
//! A [`Network`] is a list of layers behind one trait, [`Layer`]. All parameters are one vector, and so is their gradient: an
//! optimizer, an all-reduce and a file need no more. A [`Workspace`] holds the values between the layers. It is allocated once,
//! for the largest batch, and reused for every batch. Numbers are `f32`; sums over rows and products of long vectors are `f64`.
//!
//! A new layer implements [`Layer`] and must pass [`check_layer`], which compares its derivatives with finite differences.

mod gradient_check;
mod layer;
pub mod layers;
mod loss;
mod network;
pub mod optimizers;
pub mod peers;
mod product;
mod random;
mod reduce;
mod shape;
mod vectors;

pub use gradient_check::{Checked, check_layer, check_network};
pub use layer::{Backward, Forward, Gradient, Layer, Mode};
pub use loss::{Loss, Targets};
pub use network::{Network, Workspace};
pub use product::{Matrix, MatrixMut, multiply};
pub use random::Random;
pub use reduce::{Alone, MAX_MESSAGE_BYTES, Reduce};
pub use shape::Shape;
