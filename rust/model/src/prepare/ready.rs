//! A model during its preparation, before it becomes [`Prepared`](crate::graph::prepared::Prepared).

use std::path::PathBuf;
use std::sync::Arc;

use mmlrs_core::{Error, Result};
use onnx_protobuf::{Message, ModelProto};

use crate::graph::prepared::{Batch, Content};
use crate::runtime::session::{SessionOptions, open};

/// A model during its preparation.
pub struct Ready {
    /// The graph.
    pub model: ModelProto,
    /// The folder with weights too large to send with the model.
    pub folder: Option<PathBuf>,
    /// The number of rows per run.
    pub batch: Batch,
    /// Messages for the user.
    pub notes: Vec<String>,
    /// Whether there is something to record, so that it is not computed again.
    pub changed: bool,
}

impl Ready {
    /// Opens a session for the bytes of the model.
    pub fn open(&self, model: Arc<[u8]>) -> Result<ort::session::Session> {
        open(&Content::Bytes(model), self.folder.as_deref(), SessionOptions::plain())
    }
}

/// The bytes of a model.
pub fn serialize(model: &ModelProto) -> Result<Arc<[u8]>> {
    let bytes = model.write_to_bytes().map_err(|e| Error::model(format!("the model cannot be written: {e}")))?;
    Ok(Arc::from(bytes))
}
