//! Descriptors, param checks, samples and counters.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;
use serde_json::{Value, json};

use crate::errors::{detached, to_py};

/// Every stage's descriptor, as a JSON list.
#[pyfunction]
pub fn stage_specs() -> String {
    Value::from(mmlrs_registry::stages().iter().map(|e| e.spec().to_json()).collect::<Vec<_>>()).to_string()
}

/// Every metric that users can request by name, as a JSON list.
#[pyfunction]
pub fn metrics() -> String {
    let all = mmlrs_core::METRICS.iter().map(|metric| {
        json!({
            "name": metric.name,
            "kind": metric.of.name(),
            "column": metric.column,
            "larger_is_better": metric.larger_is_better,
            "of_scores": metric.of_scores,
        })
    });
    Value::from(all.collect::<Vec<_>>()).to_string()
}

/// The name that `name` probably means, or None. With `strict`, only a name that differs by a typing error.
#[pyfunction]
#[pyo3(signature = (name, names, *, strict = false))]
#[allow(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
pub fn nearest(name: &str, names: Vec<String>, strict: bool) -> Option<String> {
    let names = names.iter().map(String::as_str);
    let near = if strict { mmlrs_core::misspelt(name, names) } else { mmlrs_core::nearest(name, names) };
    near.map(str::to_owned)
}

/// A small valid use of a stage: its params as JSON and a batch of rows.
#[pyfunction]
pub fn sample<'py>(py: Python<'py>, stage: &str) -> PyResult<(String, Bound<'py, PyAny>)> {
    let sample = detached(py, || Ok(mmlrs_registry::find(stage)?.sample()))?;
    let batch = PyRecordBatch::new(sample.data).into_pyarrow(py)?;
    Ok((Value::Object(sample.params).to_string(), batch))
}

/// The counters of this process, by name.
#[pyfunction]
pub fn counters() -> BTreeMap<&'static str, u64> {
    mmlrs_core::counters().into_iter().collect()
}

/// Sets every counter to zero.
#[pyfunction]
pub fn reset_counters() {
    mmlrs_core::reset_counters();
}

/// Versions of the native parts.
#[pyfunction]
pub fn versions(py: Python<'_>) -> PyResult<BTreeMap<&'static str, String>> {
    let mut versions = BTreeMap::from([
        ("mmlrs", env!("CARGO_PKG_VERSION").to_owned()),
        ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()),
        ("opencv", mmlrs_image::opencv_version()),
    ]);
    match py.detach(mmlrs_model::runtime_version) {
        Ok(version) => {
            versions.insert("onnxruntime", version);
            let providers = detached(py, mmlrs_model::available_providers)?;
            versions.insert("providers", providers.join(", "));
        }
        Err(error) => {
            versions.insert("onnxruntime", to_py(py, &error).to_string());
        }
    }
    Ok(versions)
}
