//! Weights in side files: read into the model, or left to the runtime if they are too large for one message.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use mmlrs_core::{Error, Result};
use onnx_protobuf::{GraphProto, ModelProto, TensorProto, tensor_proto::DataLocation};

/// A protobuf message is limited to 2 GiB. This leaves room for the graph.
const INLINE_LIMIT: u64 = 1_900_000_000;

/// Reads external tensors into the model. If they are too large, returns the folder that the runtime needs to find them.
pub fn resolve(model: &mut ModelProto, path: Option<&Path>) -> Result<Option<PathBuf>> {
    resolve_up_to(model, path, INLINE_LIMIT)
}

/// Whether the graph, including the bodies of its nodes, stores weights in side files.
pub fn has_external(graph: &GraphProto) -> bool {
    !side_files(graph).is_empty()
}

/// The locations of the graph's side files, relative to the model's folder.
pub fn side_files(graph: &GraphProto) -> BTreeSet<String> {
    let sparse = graph.sparse_initializer.iter().flat_map(|s| [&s.values, &s.indices]).filter_map(|t| t.as_ref());
    let attributes = || graph.node.iter().flat_map(|n| &n.attribute);
    let in_nodes = attributes().flat_map(|a| a.t.as_ref().into_iter().chain(&a.tensors));
    let external = graph.initializer.iter().chain(sparse).chain(in_nodes).filter(|tensor| is_external(tensor));
    let mut files: BTreeSet<String> = external.map(|tensor| location(tensor).unwrap_or_default().to_owned()).collect();
    for body in attributes().flat_map(|a| a.g.as_ref().into_iter().chain(&a.graphs)) {
        files.extend(side_files(body));
    }
    files
}

fn location(tensor: &TensorProto) -> Option<&str> {
    tensor.external_data.iter().find(|e| e.key == "location").map(|e| e.value.as_str())
}

fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location.enum_value() == Ok(DataLocation::EXTERNAL)
}

fn resolve_up_to(model: &mut ModelProto, path: Option<&Path>, limit: u64) -> Result<Option<PathBuf>> {
    let Some(graph) = model.graph.as_mut() else { return Ok(None) };
    let mut parts: Vec<Part> = Vec::new();
    let mut folder: Option<PathBuf> = None;
    let real_folder = path.and_then(|path| Some(path.canonicalize().ok()?.parent()?.to_owned()));
    for_each_tensor(graph, &mut |tensor| {
        if !is_external(tensor) {
            return Ok(());
        }
        let root = match &folder {
            Some(root) => root.clone(),
            None => folder.insert(root_of(path, &tensor.name)?).clone(),
        };
        parts.push(Part::of(tensor, &root, real_folder.as_deref())?);
        Ok(())
    })?;
    let total: u64 = parts.iter().map(|p| p.length).sum();
    if total > limit {
        return Ok(folder);
    }
    let mut parts = parts.into_iter();
    for_each_tensor(graph, &mut |tensor| {
        if !is_external(tensor) {
            return Ok(());
        }
        if let Some(part) = parts.next() {
            tensor.raw_data = part.read()?;
            tensor.external_data.clear();
            tensor.data_location = DataLocation::DEFAULT.into();
        }
        Ok(())
    })?;
    Ok(None)
}

fn root_of(path: Option<&Path>, tensor: &str) -> Result<PathBuf> {
    let path = path.ok_or_else(|| {
        Error::model(format!(
            "tensor `{tensor}` is in a side file, which a model given as bytes does not have; pass the model's path instead"
        ))
    })?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    folder.canonicalize().map_err(|e| Error::io(folder.display(), e))
}

/// The bytes of one tensor in a side file.
struct Part {
    file: PathBuf,
    offset: u64,
    length: u64,
}

impl Part {
    fn of(tensor: &TensorProto, root: &Path, real_folder: Option<&Path>) -> Result<Self> {
        let value = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| -> Result<Option<u64>> {
            value(key).map(str::parse).transpose().map_err(|_| {
                Error::model(format!("tensor `{}`: `{key}` of its external data is not a number", tensor.name))
            })
        };
        let location = location(tensor)
            .filter(|l| !l.is_empty())
            .ok_or_else(|| Error::model(format!("tensor `{}`: its external data has no file name", tensor.name)))?;
        let file = inside(root, real_folder, location)
            .map_err(|cause| Error::model(format!("tensor `{}`: external data `{location}` {cause}", tensor.name)))?;
        let size = std::fs::metadata(&file).map_err(|e| Error::io(file.display(), e))?.len();
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(Error::model(format!(
                "tensor `{}`: external data `{location}` has {size} bytes, expected {length} from byte {offset}",
                tensor.name
            )));
        }
        Ok(Self { file, offset, length })
    }

    fn read(&self) -> Result<Vec<u8>> {
        let fail = |e: std::io::Error| Error::io(self.file.display(), e);
        let mut file = File::open(&self.file).map_err(fail)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(fail)?;
        let mut bytes = vec![0; self.length as usize];
        file.read_exact(&mut bytes).map_err(fail)?;
        Ok(bytes)
    }
}

/// The file under `root`, or the reason why it may not be read: a model must not access files outside its folder. If the model is a
/// link, as in the cache of the Hugging Face Hub, its side files may be links into the same folder, `real_folder`.
fn inside(root: &Path, real_folder: Option<&Path>, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !plain {
        return Err("is outside the model's folder, which is not allowed".to_owned());
    }
    let file = root.join(relative).canonicalize().map_err(|e| {
        if e.kind() == std::io::ErrorKind::NotFound {
            return format!(
                "is missing in {}: the weights are a file of their own; put it beside the model",
                root.display()
            );
        }
        format!("cannot be read: {e}")
    })?;
    if !file.starts_with(root) && file.parent() != real_folder {
        return Err("links to a file outside the model's folder, which is not allowed".to_owned());
    }
    Ok(file)
}

fn for_each_tensor(graph: &mut GraphProto, visit: &mut dyn FnMut(&mut TensorProto) -> Result<()>) -> Result<()> {
    for tensor in &mut graph.initializer {
        visit(tensor)?;
    }
    for sparse in &mut graph.sparse_initializer {
        sparse.values.as_mut().map_or(Ok(()), &mut *visit)?;
        sparse.indices.as_mut().map_or(Ok(()), &mut *visit)?;
    }
    for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
        attribute.t.as_mut().map_or(Ok(()), &mut *visit)?;
        for tensor in &mut attribute.tensors {
            visit(tensor)?;
        }
        if let Some(inner) = attribute.g.as_mut() {
            for_each_tensor(inner, visit)?;
        }
        for inner in &mut attribute.graphs {
            for_each_tensor(inner, visit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use onnx_protobuf::Message;

    use super::*;
    use crate::graph::proto::entry;

    /// The sample model with the weights of its first layer in `location`.
    fn external_model(location: &str) -> ModelProto {
        let mut model = ModelProto::parse_from_bytes(&crate::sample::sample_model()).expect("the sample parses");
        let tensor = &mut model.graph.as_mut().expect("a graph").initializer[0];
        tensor.float_data.clear();
        tensor.raw_data.clear();
        tensor.data_location = DataLocation::EXTERNAL.into();
        tensor.external_data = vec![entry("location", location), entry("offset", "4"), entry("length", "128")];
        model
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mmlrs-external-{}-{name}", std::process::id()));
        std::fs::create_dir_all(folder.join("model")).expect("a folder");
        std::fs::write(folder.join("outside.bin"), vec![7u8; 200]).expect("a file");
        std::fs::write(folder.join("model/weights.bin"), vec![1u8; 200]).expect("a file");
        folder.join("model")
    }

    #[test]
    fn a_side_file_is_read_into_the_model() {
        let folder = folder("read");
        let mut model = external_model("weights.bin");
        assert_eq!(resolve(&mut model, Some(&folder.join("m.onnx"))), Ok(None));
        assert_eq!(model.graph.initializer[0].raw_data, vec![1u8; 128]);
    }

    #[test]
    fn weights_too_large_for_one_message_stay_outside() {
        let folder = folder("large");
        let mut model = external_model("weights.bin");
        let root = resolve_up_to(&mut model, Some(&folder.join("m.onnx")), 100).expect("a folder");
        assert_eq!(root, folder.canonicalize().ok());
    }

    #[test]
    fn the_runtime_reads_weights_that_stay_outside() {
        crate::testing::use_runtime();
        let folder = folder("run");
        let mut model = external_model("weights.bin");
        let root = resolve_up_to(&mut model, Some(&folder.join("m.onnx")), 100).expect("a folder");
        let content = crate::graph::prepared::Content::Bytes(model.write_to_bytes().expect("bytes").into());
        let options = crate::SessionOptions::plain();
        assert!(crate::runtime::session::open(&content, root.as_deref(), options).is_ok());
        assert!(crate::runtime::session::open(&content, None, options).is_err());
    }

    #[test]
    fn a_side_file_outside_the_folder_is_refused() {
        let folder = folder("refuse");
        let link = folder.join("link.bin");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(folder.join("../outside.bin"), &link).expect("a link");
        let absolute = folder.join("weights.bin").display().to_string();
        for location in ["../outside.bin", "link.bin", absolute.as_str(), "/etc/hostname"] {
            let error = resolve(&mut external_model(location), Some(&folder.join("m.onnx")));
            let message = error.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(message.contains("not allowed") && message.contains(location), "{location}: {message}");
        }
    }

    #[test]
    fn a_side_file_that_is_missing_or_short_is_named() {
        let folder = folder("short");
        std::fs::write(folder.join("short.bin"), [0u8; 10]).expect("a file");
        for (location, words) in [("short.bin", "has 10 bytes"), ("none.bin", "is missing in")] {
            let message = resolve(&mut external_model(location), Some(&folder.join("m.onnx")))
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(message.contains(words), "{message}");
        }
        let message = resolve(&mut external_model("w.bin"), None).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("pass the model's path"), "{message}");
    }
}
