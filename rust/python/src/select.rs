//! Rows of an array by number, for types that pyarrow cannot select from.

use arrow_select::take::TakeOptions;
use pyo3::prelude::*;
use pyo3_arrow::PyArray;

use crate::arrow::Imported;
use crate::codec::to_pyarrow;
use crate::errors::detached;

/// The rows with these numbers, in that order; null where the number is null.
#[pyfunction]
pub fn take(py: Python<'_>, values: Imported<PyArray>, rows: Imported<PyArray>) -> PyResult<Bound<'_, PyAny>> {
    let (values, rows) = (values.0.into_inner().0, rows.0.into_inner().0);
    let checked = TakeOptions { check_bounds: true };
    let selected = detached(py, || Ok(arrow_select::take::take(&values, &rows, Some(checked))?))?;
    to_pyarrow(py, selected)
}
