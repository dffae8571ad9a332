//! Arrow data of Python as arguments.

use mmlrs_core::{Error, guarded};
use pyo3::prelude::*;

use crate::errors::to_py;

/// An argument that is imported from Arrow's C interface. What the import cannot take is an error, not a panic.
pub struct Imported<T>(pub T);

impl<'a, 'py, T> FromPyObject<'a, 'py> for Imported<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        match guarded(|| T::extract(given)) {
            Ok(imported) => imported.map(Self),
            Err(panic) => Err(to_py(py, &Error::runtime(format!("the Arrow data cannot be imported: {panic}")))),
        }
    }
}
