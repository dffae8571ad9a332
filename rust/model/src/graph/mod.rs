//! The graph of a model: reading, describing, cutting and rewriting it.

pub mod ancestors;
pub mod axes;
pub mod batch;
pub mod batch_first;
pub mod cut;
pub mod dim;
pub mod element;
pub mod external;
pub mod features;
pub mod image_meta;
pub mod info;
pub mod prepared;
pub mod proto;
pub mod source;
pub mod yolo_meta;
