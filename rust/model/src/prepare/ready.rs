//! A model on its way to [`Prepared`](crate::graph::prepared::Prepared).

use std::path::PathBuf;
use std::sync::Arc;

use mmlrs_core::{Error, Result};
use onnx_protobuf::{Message, ModelProto};

use crate::graph::prepared::{Batch, Content};
use crate::runtime::session::{SessionOptions, open};

/// A model on its way.
pub struct Ready {
    /// The graph.
    pub model: ModelProto,
    /// The folder with weights too large to travel with the model.
    pub folder: Option<PathBuf>,
    /// How many rows a run takes.
    pub batch: Batch,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Is there something to write down, so that it is not worked out again?
    pub changed: bool,
}

impl Ready {
    /// Opens bytes of the model on its way.
    pub fn open(&self, model: Arc<[u8]>) -> Result<ort::session::Session> {
        open(&Content::Bytes(model), self.folder.as_deref(), SessionOptions::plain())
    }
}

/// The bytes of a model.
pub fn serialise(model: &ModelProto) -> Result<Arc<[u8]>> {
    let bytes = model.write_to_bytes().map_err(|e| Error::model(format!("the model cannot be written: {e}")))?;
    Ok(Arc::from(bytes))
}
