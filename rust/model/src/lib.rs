//! ONNX models as stages: graph cutting, one session cache per process, mini-batches, tensors from and to Arrow.
//!
//! A model goes `ModelSource` -> [`prepare`] (parsed, cut, its batch dimension made dynamic and verified: once, on the
//! driver) -> session cache (loaded once per process) -> runs over mini-batches of Arrow rows.

mod axes;
mod batch;
mod batch_first;
mod cut;
mod element;
mod exact;
mod external;
mod features;
mod feed;
mod image_batches;
mod image_featurizer;
mod image_model;
mod info;
mod input;
mod normalization;
mod onnx_model;
mod output;
mod portable;
mod prepared;
mod probe;
mod proto;
mod ranks;
mod results;
mod run_params;
mod runner;
mod runtime;
mod sample;
mod session;
mod settle;
mod shapes;
mod source;
mod tensor_struct;
mod text_embedder;
mod text_embedder_model;
mod text_embedder_pooling;
mod text_embedder_runs;
mod text_embedder_sample;
mod trial;
mod vectors;

#[cfg(test)]
mod testing;

pub use cut::cut_graph;
pub use element::Element;
pub use image_featurizer::ImageFeaturizer;
pub use image_model::ImageMeta;
pub use info::{Dim, ModelInfo, ValueInfo, ValueKind};
pub use onnx_model::ONNXModel;
pub use portable::self_contained;
pub use prepared::{Batch, Prepared, model_info, prepare};
pub use runtime::{Runtime, available_providers, hold_runtime, runtime_version, set_library_locator};
pub use sample::{sample_image_model, sample_model};
pub use session::{Device, OptLevel, SessionOptions};
pub use text_embedder::TextEmbedder;
pub use text_embedder_sample::sample_text_model;
