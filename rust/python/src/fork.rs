//! Hooks around forks, as in `multiprocessing`, servers that fork their workers, and data loaders.

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Registers the hooks that Python calls around every fork. Systems without forks need none.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let Some(register) = py.import("os")?.getattr_opt("register_at_fork")? else { return Ok(()) };
    let hooks = PyDict::new(py);
    hooks.set_item("before", wrap_pyfunction!(before, module)?)?;
    hooks.set_item("after_in_parent", wrap_pyfunction!(after_in_parent, module)?)?;
    hooks.set_item("after_in_child", wrap_pyfunction!(after_in_child, module)?)?;
    register.call((), Some(&hooks)).map(drop)
}

#[pyfunction]
fn before(py: Python<'_>) {
    // The interpreter lock is released, since the holder of one of these locks may be waiting for it.
    py.detach(|| {
        mmlrs_registry::stages();
        // A model that is being loaded may store bytes, so the runtime is locked first.
        mmlrs_model::hold_runtime();
        mmlrs_core::hold_caches();
        mmlrs_core::hold_blobs();
    });
}

#[pyfunction]
fn after_in_parent() {
    mmlrs_core::forked(false);
}

#[pyfunction]
fn after_in_child() {
    mmlrs_core::forked(true);
}
