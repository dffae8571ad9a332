//! Neural networks: layers, losses and optimizers on flat vectors of parameters.
//!
//! A [`Network`] is a list of layers behind one trait, [`Layer`]. All parameters are one vector, and so is their gradient: an
//! optimizer, an all-reduce and a file need no more. A [`Workspace`] holds the values between the layers. It is allocated once,
//! for the largest batch, and reused for every batch. Numbers are `f32`; sums over rows and products of long vectors are `f64`.
//! A [`Description`] is a network as JSON, the form in which it is saved and sent.
//!
//! ```
//! use mmlrs_ann::optimizers::Adam;
//! use mmlrs_ann::{Description, Mode, Rows, Targets};
//!
//! let description = Description::parse(
//!     r#"{"version": 1, "input": [2],
//!         "layers": [{"kind": "dense", "size": 8}, {"kind": "tanh"}, {"kind": "dense", "size": 2}],
//!         "loss": {"kind": "cross_entropy"}}"#,
//! )?;
//! let network = description.network()?;
//! let (mut parameters, mut workspace) = (network.initial(1), network.workspace(4));
//! let mut adam = Adam::new(network.parameter_count()).only(network.trained());
//! let (x, classes) = ([0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [0, 1, 1, 0]);
//! let mut loss = f64::INFINITY;
//! for step in 0..300 {
//!     let mode = Mode::Training { seed: step };
//!     let batch = Rows { x: &x, targets: Targets::Classes(&classes), weights: None, mode, scale: 0.25 };
//!     let mut gradient = vec![0.0; network.parameter_count()];
//!     loss = network.gradient(&parameters, &batch, &mut gradient, &mut workspace)? / 4.0;
//!     adam.step(&mut parameters, &gradient, 0.05);
//!     network.settle(&mut parameters, &gradient);
//! }
//! assert!(loss < 0.05);
//! # Ok::<(), mmlrs_core::Error>(())
//! ```
//!
//! # Adding a layer
//!
//! 1. Implement [`Layer`] in a file of [`layers`]: the shape of the output, the parameters, both passes. A layer has no state. What
//!    the backward pass needs is asked for with [`Layer::memory`], space to work in with [`Layer::scratch`]. A layer that replaces
//!    its input says so with [`Layer::is_in_place`], and one whose backward pass reads its output with [`Layer::reads_output`].
//! 2. Add it to the list of `every_layer_has_right_derivatives` in `gradient_check.rs`. [`check_layer`] compares its derivatives
//!    with finite differences.
//! 3. Give it a kind in [`description::LayerDescription`], with its settings and their defaults, and add it to the test there.
//!
//! ```
//! use std::sync::Arc;
//!
//! use mmlrs_ann::{Backward, Forward, Layer, Shape, check_layer};
//!
//! /// x squared.
//! #[derive(Debug)]
//! struct Square;
//!
//! impl Layer for Square {
//!     fn output(&self, input: Shape) -> mmlrs_core::Result<Shape> {
//!         Ok(input)
//!     }
//!
//!     fn forward(&self, pass: Forward<'_>) {
//!         pass.y.iter_mut().zip(pass.x).for_each(|(y, x)| *y = x * x);
//!     }
//!
//!     fn backward(&self, pass: Backward<'_>) {
//!         pass.dx.iter_mut().zip(pass.dy).zip(pass.x).for_each(|((dx, dy), x)| *dx = 2.0 * x * dy);
//!     }
//! }
//!
//! assert!(check_layer(Arc::new(Square), Shape::Vector(5))?.worst < 0.02);
//! # Ok::<(), mmlrs_core::Error>(())
//! ```

mod chain;
pub mod columns;
pub mod description;
mod elementary;
mod features;
pub mod file;
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
mod sample;
mod scoring;
mod shape;
pub mod stages;
pub mod training;
mod training_params;
mod vectors;

pub use chain::{MAX_PARAMETERS, MAX_VALUES};
pub use description::Description;
pub use gradient_check::{Checked, check_layer, check_network};
pub use layer::{Amount, Backward, Form, Forward, Layer, Mode};
pub use loss::{Batch, Loss, Targets};
pub use network::{Network, Rows, Workspace};
pub use product::{Matrix, MatrixMut, multiply};
pub use random::Random;
pub use reduce::{Alone, MAX_MESSAGE_BYTES, Reduce};
pub use shape::Shape;
pub use training_params::TrainingParams;
