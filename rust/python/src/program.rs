//! The class that runs native stages.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use mmlrs_core::{Context, ThreadBudget};
use pyo3::prelude::*;
use pyo3_arrow::PyRecordBatch;

use crate::arrow::Imported;
use crate::errors::{detached, placed, watched};

/// A DAG of native stages over source columns.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Program {
    inner: mmlrs_registry::Program,
}

impl Program {
    pub fn of(inner: mmlrs_registry::Program) -> Self {
        Self { inner }
    }
}

#[pymethods]
impl Program {
    #[new]
    fn new(py: Python<'_>, spec: &str) -> PyResult<Self> {
        let inner = detached(py, || mmlrs_registry::Program::parse(spec))?;
        Ok(Self { inner })
    }

    /// The outputs of one batch of source columns. `first` is the table row of the batch's first row, for errors.
    /// `interruptible` is allowed in the main thread only.
    #[pyo3(signature = (sources, threads, share, *, first = None, interruptible = false))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        sources: Imported<PyRecordBatch>,
        threads: usize,
        share: bool,
        first: Option<usize>,
        interruptible: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let batch = sources.0.into_inner();
        let rows = batch.num_rows();
        let columns: Vec<(Field, ArrayRef)> = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, array)| (field.as_ref().clone(), array.clone()))
            .collect();
        let cx = Context { threads: ThreadBudget::new(threads).interruptible(interruptible) };
        let batch = watched(py, interruptible, || {
            let outputs = self.inner.run(&columns, cx, share).map_err(|e| placed(e, first))?;
            let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = outputs.into_iter().map(|o| (o.field, o.array)).unzip();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
        })?;
        PyRecordBatch::new(batch).into_pyarrow(py)
    }
}
