//! Models: bytes by content, what they read and write, and the runtime library from the installed wheel.

use std::path::PathBuf;

use mmlrs_core::{Error, Kind, ModelSource, ParamField, Result};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::Value;

use crate::errors::detached;
use crate::registry::params;

/// Tells the model crate to ask Python where the runtime library is, when it is first needed.
pub fn register_locator() {
    mmlrs_model::set_library_locator(Box::new(|| {
        Python::attach(|py| {
            py.import("mmlrs._runtime")
                .and_then(|module| module.call_method0("library_path"))
                .and_then(|path| path.extract::<PathBuf>())
                .map_err(|error| Error::model(error.value(py).to_string()))
        })
    }));
}

/// Stores bytes and returns their SHA-256.
#[pyfunction]
pub fn put_blob(py: Python<'_>, data: &[u8]) -> String {
    py.detach(|| mmlrs_core::put_blob(data))
}

/// The bytes stored under a SHA-256, or None.
#[pyfunction]
pub fn get_blob<'py>(py: Python<'py>, sha256: &str) -> Option<Bound<'py, PyBytes>> {
    mmlrs_core::blob(sha256).map(|data| PyBytes::new(py, &data))
}

/// Are bytes stored under a SHA-256?
#[pyfunction]
pub fn has_blob(sha256: &str) -> bool {
    mmlrs_core::blob(sha256).is_some()
}

fn source(text: &str) -> Result<ModelSource> {
    let value: Value = serde_json::from_str(text).map_err(|e| Error::param("model", e.to_string()))?;
    ModelSource::from_value(&value).map_err(|message| Error::param("model", message))
}

/// What a model reads and writes, as JSON.
#[pyfunction]
pub fn model_info(py: Python<'_>, model: &str) -> PyResult<String> {
    detached(py, || Ok(mmlrs_model::model_info(&source(model)?)?.to_json().to_string()))
}

/// Stores a model with its side files inside and returns its SHA-256.
#[pyfunction]
pub fn self_contained(py: Python<'_>, model: &str) -> PyResult<String> {
    detached(py, || mmlrs_model::self_contained(&source(model)?))
}

/// The models and files of a stage in the form that other processes can use: param -> SHA-256 of stored bytes.
#[pyfunction]
pub fn portable_blobs(
    py: Python<'_>,
    stage: &str,
    uid: &str,
    values: &str,
) -> PyResult<std::collections::BTreeMap<&'static str, String>> {
    detached(py, || {
        let (entry, values) = (mmlrs_registry::find(stage)?, params(uid, values)?);
        let models = if entry.spec().kind == Kind::Estimator {
            Vec::new()
        } else {
            let built = entry.build(&values)?;
            built.transform.portable_models().map_err(|e| e.at_stage(built.spec.name))?
        };
        let models = models.into_iter().filter_map(|(param, source)| match source {
            ModelSource::Blob(sha256) => Some((param, sha256)),
            ModelSource::Path(_) => None,
        });
        Ok(models.chain(entry.files(&values)?).collect())
    })
}

/// A tiny model for tests and examples: input `x` of four floats, tensors `features` and `scores`.
#[pyfunction]
pub fn sample_model(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &mmlrs_model::sample_model())
}
