//! Models in a form that other processes can use: a single byte string, stored under its SHA-256.

use mmlrs_core::{Error, ModelSource, Result, put_blob};
use onnx_protobuf::Message;

use crate::graph::external;
use crate::graph::prepared::Prepared;
use crate::graph::source::load;

/// The prepared model as stored bytes. A model whose weights are too large for one message stays in its file, whose path must
/// then be valid in every process.
pub fn portable(prepared: &Prepared, source: &ModelSource) -> Result<ModelSource> {
    if prepared.folder().is_some() {
        return Ok(source.clone());
    }
    Ok(ModelSource::Blob(put_blob(&prepared.bytes()?)))
}

/// Stores the complete model, including weights in side files, and returns the SHA-256 of the stored bytes.
pub fn self_contained(source: &ModelSource) -> Result<String> {
    let loaded = load(source)?;
    let mut model = loaded.model;
    if !external::has_external(&model.graph) {
        return Ok(put_blob(&loaded.bytes));
    }
    if external::resolve(&mut model, loaded.path.as_deref())?.is_some() {
        return Err(Error::model("the weights in side files are larger than 1.9 GB and do not fit into one ONNX file"));
    }
    let bytes = model.write_to_bytes().map_err(|e| Error::model(format!("cannot write the model: {e}")))?;
    Ok(put_blob(&bytes))
}
