//! A model that is ready to run, as data.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmlrs_core::{Error, FileKey, Result};

use crate::graph::info::ModelInfo;

/// The number of rows per run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Any number.
    Dynamic,
    /// Exactly this number. A shorter batch is padded with copies of its last row.
    Fixed(usize),
}

/// The location of a model's bytes.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file, unchanged.
    File(PathBuf),
}

/// A model ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) content: Content,
    pub(crate) sha256: String,
    pub(crate) folder: Option<PathBuf>,
    /// The states of its side files when it was prepared.
    pub(crate) side_files: Vec<Option<FileKey>>,
    /// Its inputs and outputs.
    pub info: ModelInfo,
    /// The number of rows per run.
    pub batch: Batch,
    /// Messages to show the user once, such as that a model runs row by row.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The bytes: an ONNX model that any process can prepare for the same fetches by parsing it.
    pub fn bytes(&self) -> Result<Arc<[u8]>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::File(path) => Ok(Arc::from(std::fs::read(path).map_err(|e| Error::io(path.display(), e))?)),
        }
    }

    /// Length of [`Self::bytes`], as far as it is known without reading a missing file.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::File(path) => std::fs::metadata(path).map_or(0, |meta| meta.len() as usize),
        }
    }

    /// SHA-256 of [`Self::bytes`] as lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file with these same bytes, if there is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) => Some(path),
            Content::Bytes(_) => None,
        }
    }

    /// The folder with weights too large to send with the model. Such a model is not shipped as bytes: every worker prepares it
    /// from its path.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// True if the graph accepts one row at a time only.
    pub fn is_row_by_row(&self) -> bool {
        self.batch == Batch::Fixed(1)
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }
}
