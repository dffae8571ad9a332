//! From the one error type to the Python exceptions, and the one way to run work without the interpreter lock.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mmlrs_core::{Error, ErrorKind, Result, panic_text};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The class in `mmlrs.errors` for a kind.
fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidParam => "InvalidParamError",
        ErrorKind::ColumnNotFound => "ColumnNotFoundError",
        ErrorKind::SchemaMismatch => "SchemaMismatchError",
        ErrorKind::Decode => "DecodeError",
        ErrorKind::ModelLoad => "ModelLoadError",
        ErrorKind::Runtime => "ExecutionError",
        ErrorKind::LimitExceeded => "LimitExceededError",
        ErrorKind::Io => "IoError",
    }
}

/// The Python exception for an error.
pub fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = MODULE
        .get_or_try_init(py, || py.import("mmlrs.errors").map(|m| m.into_any().unbind()))
        .and_then(|module| module.bind(py).getattr(class_name(error.kind())))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match class {
        Ok(class) => PyErr::from_type(class, error.to_string()),
        Err(_) => PyRuntimeError::new_err(error.to_string()),
    }
}

/// Runs native work with the interpreter lock released; a panic becomes an error, never the end of the process.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            Err(Error::runtime(format!("internal error, please report it: {}", panic_text(panic.as_ref()))))
        })
    })
    .map_err(|error| to_py(py, &error))
}
