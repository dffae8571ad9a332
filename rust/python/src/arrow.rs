//! Arrow data from Python as arguments.

use mmlrs_core::{Error, guarded};
use pyo3::prelude::*;

use crate::errors::to_py;

/// An argument imported through Arrow's C interface. Data that cannot be imported is an error, not a panic.
pub struct Imported<T>(pub T);

impl<'a, 'py, T> FromPyObject<'a, 'py> for Imported<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr>,
{
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        match guarded(|| T::extract(object)) {
            Ok(imported) => imported.map(Self),
            Err(panic) => Err(to_py(py, &Error::runtime(format!("the Arrow data cannot be imported: {panic}")))),
        }
    }
}
