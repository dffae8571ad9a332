//! Reads, hashes and parses a model's bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmlrs_core::{Cache, Error, FileKey, ModelSource, Result, sha256_hex};
use onnx_protobuf::{Message, ModelProto};

/// A parsed model and its source.
pub struct Loaded {
    /// The graph.
    pub model: ModelProto,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The file, if the model is one.
    pub path: Option<PathBuf>,
}

static FILE_HASHES: Cache<FileKey, String> = Cache::new("hashes of files", 1024, 1 << 20);

/// Number of bytes of a hash in hex.
const HASH_BYTES: usize = 64;

/// SHA-256 of a model. A file that was hashed before and is unchanged is not read again.
pub fn sha256_of(source: &ModelSource) -> Result<String> {
    match source {
        ModelSource::Blob(sha256) => Ok(sha256.clone()),
        ModelSource::Path(path) => {
            let key = file_key(path)?;
            let hash = FILE_HASHES.get_or_make(key, || Ok((sha256_hex(&read_file(path)?), HASH_BYTES)))?;
            Ok(hash.as_str().to_owned())
        }
    }
}

/// Reads and parses a model.
pub fn load(source: &ModelSource) -> Result<Loaded> {
    match source {
        ModelSource::Blob(sha256) => {
            let bytes = source
                .stored()
                .ok_or_else(|| Error::model(format!("the model with SHA-256 {sha256} is not in this process")))?;
            let model = parse(&bytes, &format!("the model with SHA-256 {}", &sha256[..sha256.len().min(12)]))?;
            Ok(Loaded { model, bytes, sha256: sha256.clone(), path: None })
        }
        ModelSource::Path(path) => {
            let key = file_key(path)?;
            let bytes = read_file(path)?;
            let sha256 = FILE_HASHES.get_or_make(key, || Ok((sha256_hex(&bytes), HASH_BYTES)))?.as_str().to_owned();
            let model = parse(&bytes, &format!("`{}`", path.display()))?;
            Ok(Loaded { model, bytes: Arc::from(bytes), sha256, path: Some(path.clone()) })
        }
    }
}

fn file_key(path: &Path) -> Result<FileKey> {
    FileKey::of(path, "a model is an ONNX file")
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path.display(), e))
}

/// Parses `bytes`. `name` identifies the model in errors.
pub fn parse(bytes: &[u8], name: &str) -> Result<ModelProto> {
    if bytes.is_empty() {
        return Err(Error::model(format!("{name} is empty; expected an ONNX model")));
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::model(format!(
            "{name} is JSON and not an ONNX model; is it the `tokenizer` of a TextEmbedder, which needs the ONNX file as `model`?"
        )));
    }
    let model = ModelProto::parse_from_bytes(bytes)
        .map_err(|e| Error::model(format!("{name} is not an ONNX model, or is truncated or damaged ({e})")))?;
    // Arbitrary bytes may parse as a protobuf message. These checks tell a model from them.
    if model.graph.is_none() || model.ir_version <= 0 || model.graph.output.is_empty() {
        return Err(Error::model(format!(
            "{name} is not an ONNX model, or is truncated: it has no graph with outputs"
        )));
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_empty_and_foreign_bytes_are_one_clear_error() {
        let model = crate::sample::sample_model();
        for bytes in [&model[..model.len() / 2], &[][..], b"not an ONNX model at all", &model[..6]] {
            let error = parse(bytes, "`m.onnx`").err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains("`m.onnx`") && error.contains("ONNX model"), "{error}");
        }
    }

    #[test]
    fn a_tokenizer_in_the_place_of_the_model_is_recognized() {
        let error = parse(b"\n {\"version\": \"1.0\"}", "`t.json`").err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("`t.json` is JSON") && error.contains("`tokenizer`"), "{error}");
    }

    #[test]
    fn a_missing_file_and_a_folder_name_the_path() {
        let missing = load(&ModelSource::Path("/no/such/model.onnx".into())).err().map(|e| e.to_string());
        assert!(missing.is_some_and(|m| m.contains("/no/such/model.onnx")));
        let folder = load(&ModelSource::Path(std::env::temp_dir())).err().map(|e| e.to_string());
        assert!(folder.is_some_and(|m| m.contains("is a folder")));
    }
}
