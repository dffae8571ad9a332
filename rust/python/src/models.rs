//! Models: bytes by content, their inputs and outputs, and the runtime library from the installed wheel.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mmlrs_core::{Error, ModelSource, ParamField, Result};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;

use crate::errors::planning;

/// Registers the Python functions that locate the runtime library on first use and that show warnings.
pub fn register_host() {
    mmlrs_core::set_warning_host(Box::new(|text| {
        Python::attach(|py| {
            py.import("mmlrs._warnings")
                .and_then(|module| module.call_method1("warn_once", ([text],)))
                .map(drop)
                .map_err(|error| Error::model(error.value(py).to_string()))
        })
    }));
    mmlrs_model::set_library_locator(Box::new(|| {
        Python::attach(|py| {
            py.import("mmlrs._runtime")
                .and_then(|module| module.call_method0("library_path"))
                .and_then(|path| path.extract::<PathBuf>())
                .map_err(|error| Error::model(error.value(py).to_string()))
        })
    }));
}

/// A hold on stored bytes. They are removed with their last hold.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Blob {
    inner: mmlrs_core::Blob,
}

#[pymethods]
impl Blob {
    /// The SHA-256 of the bytes, in hex.
    #[getter]
    fn sha256(&self) -> &str {
        self.inner.sha256()
    }

    /// Number of bytes.
    #[getter]
    fn size(&self, py: Python<'_>) -> usize {
        py.detach(|| mmlrs_core::blob(self.inner.sha256())).map_or(0, |bytes| bytes.len())
    }
}

pub fn held(sha256: &str) -> Result<Blob> {
    let inner = mmlrs_core::Blob::of(sha256);
    inner.map(|inner| Blob { inner }).ok_or_else(|| Error::io(format!("content {sha256}"), "is not in this process"))
}

/// Stores bytes and holds them.
#[pyfunction]
pub fn put_blob(py: Python<'_>, data: &[u8]) -> Blob {
    Blob { inner: py.detach(|| mmlrs_core::Blob::put(data)) }
}

/// A hold on the bytes stored under a SHA-256, or None.
#[pyfunction]
pub fn hold_blob(py: Python<'_>, sha256: &str) -> Option<Blob> {
    py.detach(|| mmlrs_core::Blob::of(sha256)).map(|inner| Blob { inner })
}

/// The bytes stored under a SHA-256, or None.
#[pyfunction]
pub fn get_blob<'py>(py: Python<'py>, sha256: &str) -> Option<Bound<'py, PyBytes>> {
    // The interpreter lock is released, since a forking thread that has locked the store may be waiting for it.
    py.detach(|| mmlrs_core::blob(sha256)).map(|data| PyBytes::new(py, &data))
}

/// The sizes of this process's caches: name -> (entries, bytes, maximum entries, maximum bytes).
#[pyfunction]
pub fn cache_info(py: Python<'_>) -> BTreeMap<&'static str, (usize, usize, usize, usize)> {
    let caches = py.detach(mmlrs_core::cache_info).into_iter();
    caches.map(|info| (info.name, (info.entries, info.bytes, info.most_entries, info.most_bytes))).collect()
}

/// Empties the caches of this process.
#[pyfunction]
pub fn clear_caches(py: Python<'_>) {
    py.detach(|| {
        mmlrs_core::clear_caches();
        mmlrs_registry::clear_memo();
    });
}

/// Number of stored models and files and their bytes.
#[pyfunction]
pub fn blob_info(py: Python<'_>) -> (usize, usize) {
    py.detach(mmlrs_core::blob_info)
}

fn source(text: &str) -> Result<ModelSource> {
    let value: Value = serde_json::from_str(text).map_err(|e| Error::param("model", e.to_string()))?;
    ModelSource::from_value(&value).map_err(|message| Error::param("model", message))
}

/// The inputs and outputs of a model, as JSON.
#[pyfunction]
pub fn model_info(py: Python<'_>, model: &str) -> PyResult<String> {
    planning(py, || Ok(mmlrs_model::model_info(&source(model)?)?.to_json().to_string()))
}

/// Stores a model with its side files merged into it.
#[pyfunction]
pub fn self_contained(py: Python<'_>, model: &str) -> PyResult<Blob> {
    planning(py, || held(&mmlrs_model::self_contained(&source(model)?)?))
}

/// SHA-256 of a file, in hex. A file that was hashed before and is unchanged is not read again.
#[pyfunction]
pub fn file_sha256(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    planning(py, || mmlrs_model::sha256_of(&ModelSource::Path(path)))
}

/// The bytes that add image settings, as JSON, to an ONNX model when they are appended to it.
#[pyfunction]
pub fn image_settings<'py>(py: Python<'py>, metadata: &str) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = planning(py, || mmlrs_model::image_settings(metadata))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The ONNX model of a network, from the weights that `PyTorch` saved. `metadata` is its image settings as JSON.
#[pyfunction]
pub fn network_of_weights<'py>(
    py: Python<'py>,
    architecture: &str,
    weights: &[u8],
    metadata: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let model = planning(py, || mmlrs_model::network_of_weights(architecture, weights, metadata))?;
    Ok(PyBytes::new(py, &model))
}

/// A tiny model for tests and examples: input `x` of four floats, tensors `features` and `scores`.
#[pyfunction]
pub fn sample_model(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &mmlrs_model::sample::sample_model())
}
