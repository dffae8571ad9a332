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
    replaced: Replaced,
}

/// Tells a file from one that replaced it with the same size and time of modification.
#[cfg(unix)]
type Replaced = (u64, i64, i64);
#[cfg(not(unix))]
type Replaced = ();

#[cfg(unix)]
fn replaced(meta: &std::fs::Metadata) -> Replaced {
    use std::os::unix::fs::MetadataExt;
    (meta.ino(), meta.ctime(), meta.ctime_nsec())
}

#[cfg(not(unix))]
fn replaced(_: &std::fs::Metadata) -> Replaced {}

impl FileKey {
    /// The key of a file in its current state. A folder is an error. `a_file_is` completes its message: "a model is an ONNX
    /// file".
    pub fn of(path: &Path, a_file_is: &str) -> Result<Self> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path.display(), e))?;
        if meta.is_dir() {
            return Err(Error::model(format!("`{}` is a folder; {a_file_is}", path.display())));
        }
        Ok(Self {
            path: path.to_path_buf(),
            modified: meta.modified().ok(),
            bytes: meta.len(),
            replaced: replaced(&meta),
        })
    }
}
