//! Rows of an array by their numbers, for the types that pyarrow cannot select from.

use arrow_select::take::TakeOptions;
use pyo3::prelude::*;
use pyo3_arrow::PyArray;

use crate::arrow::Imported;
use crate::codec::to_pyarrow;
use crate::errors::detached;

/// The rows of those numbers, in that order; null where the number is.
#[pyfunction]
pub fn take(py: Python<'_>, values: Imported<PyArray>, rows: Imported<PyArray>) -> PyResult<Bound<'_, PyAny>> {
    let (values, rows) = (values.0.into_inner().0, rows.0.into_inner().0);
    let checked = TakeOptions { check_bounds: true };
    let taken = detached(py, || Ok(arrow_select::take::take(&values, &rows, Some(checked))?))?;
    to_pyarrow(py, taken)
}
