//! Identifies the content of a file without reading it again.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{Error, Result};

/// The state of a file at one time: the key of caches of file contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileKey {
    path: PathBuf,
    modified: Option<SystemTime>,
    bytes: u64,
}

impl FileKey {
    /// The key of a file in its current state. A folder is an error. `a_file_is` completes its message: "a model is an ONNX
    /// file".
    pub fn of(path: &Path, a_file_is: &str) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path.display(), e))?;
        if meta.is_dir() {
            return Err(Error::model(format!("`{}` is a folder; {a_file_is}", path.display())));
        }
        Ok(Self { path: path.to_path_buf(), modified: meta.modified().ok(), bytes: meta.len() })
    }
}
