//! Trained weights in files of other libraries as ONNX networks, and the image settings that a network carries.

mod efficientnet_lite;
mod pickle;
mod torch_file;

use mmlrs_core::{Error, Result};
use onnx_protobuf::{Message, ModelProto};

use crate::graph::image_meta::IMAGE_KEY;
use crate::graph::proto::entry;
use torch_file::TorchFile;

/// Returns the bytes that add image settings, as JSON, to an ONNX model when they are appended to it. Protocol buffers join the
/// lists of two messages that follow each other.
pub fn image_settings(metadata: &str) -> Result<Vec<u8>> {
    let model = ModelProto { metadata_props: vec![entry(IMAGE_KEY, metadata)], ..ModelProto::default() };
    model.write_to_bytes().map_err(|e| Error::model(format!("cannot write the metadata: {e}")))
}

/// Returns the ONNX model of a network, from the weights that `PyTorch` saved. `metadata` is its image settings as JSON.
pub fn network_of_weights(architecture: &str, weights: &[u8], metadata: &str) -> Result<Vec<u8>> {
    let file = TorchFile::read(weights)?;
    let mut model = match architecture {
        "efficientnet-lite0" => efficientnet_lite::network(&file)?,
        _ => return Err(Error::model(format!("there is no architecture `{architecture}`; known: efficientnet-lite0"))),
    };
    model.metadata_props.push(entry(IMAGE_KEY, metadata));
    model.write_to_bytes().map_err(|e| Error::model(format!("cannot write the model: {e}")))
}
