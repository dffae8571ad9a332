//! ONNX models as stages: graph cutting, one session cache per process, mini-batches, conversion between tensors and Arrow.
//!
//! A model is processed in these steps: `ModelSource` -> [`prepare`] (parsed, cut, its batch dimension made dynamic and
//! verified: once, on the driver) -> session cache (loaded once per process) -> runs over mini-batches of Arrow rows.

mod answers;
mod detection;
mod failure;
mod graph;
mod image_network;
mod prepare;
mod runtime;
pub mod sample;
pub mod stages;
mod tensor;
mod text_network;
mod weights;

#[cfg(test)]
mod testing;

pub use graph::cut::cut_graph;
pub use graph::dim::Dim;
pub use graph::element::Element;
pub use graph::image_meta::ImageMeta;
pub use graph::info::{ModelInfo, ValueInfo, ValueKind};
pub use graph::prepared::{Batch, Prepared};
pub use graph::source::sha256_of;
pub use prepare::portable::self_contained;
pub use prepare::{model_info, prepare, side_file_keys};
pub use runtime::library::{Runtime, available_providers, hold_runtime, runtime_version, set_library_locator};
pub use runtime::session::{Device, OptLevel, SessionOptions};
pub use weights::{image_settings, network_of_weights};
