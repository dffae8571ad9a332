//! ONNX Runtime: the library, sessions and runs of mini-batches.

pub mod library;
pub mod run_params;
pub mod runner;
pub mod session;
