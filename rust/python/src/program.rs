//! The one class that runs native stages.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use mmlrs_core::{Context, ThreadBudget};
use pyo3::prelude::*;
use pyo3_arrow::{PyRecordBatch, PySchema};

use crate::arrow::Imported;
use crate::errors::{detached, placed, planning, watched};

/// A DAG of native stages over source columns.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Program {
    inner: mmlrs_registry::Program,
}

#[pymethods]
impl Program {
    #[new]
    fn new(py: Python<'_>, spec: &str) -> PyResult<Self> {
        let inner = detached(py, || mmlrs_registry::Program::parse(spec))?;
        Ok(Self { inner })
    }

    /// The schema of the outputs for a schema of the source columns.
    fn output_schema<'py>(&self, py: Python<'py>, sources: Imported<PySchema>) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields_of(sources);
        schema(py, planning(py, || self.inner.output_fields(&fields))?)
    }

    /// The schema of what the last stage adds for a schema of the source columns.
    fn announce<'py>(&self, py: Python<'py>, sources: Imported<PySchema>) -> PyResult<Bound<'py, PyAny>> {
        let fields = fields_of(sources);
        schema(py, planning(py, || self.inner.announce(&fields))?)
    }

    /// Params of the last stage that follow from the schema of the source columns, as a JSON object.
    fn bound_params(&self, py: Python<'_>, sources: Imported<PySchema>) -> PyResult<String> {
        let fields = fields_of(sources);
        planning(py, || Ok(serde_json::Value::Object(self.inner.bound_params(&fields)?).to_string()))
    }

    /// The outputs of one batch of source columns. `first` is the number of its first row in a table, for errors; `interruptible` is for the
    /// main thread alone.
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
        let made = watched(py, interruptible, || {
            let outputs = self.inner.run(&columns, cx, share).map_err(|e| placed(e, first))?;
            let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = outputs.into_iter().map(|o| (o.field, o.array)).unzip();
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
        })?;
        PyRecordBatch::new(made).into_pyarrow(py)
    }

    /// Things to tell the user once.
    fn notes(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        planning(py, || self.inner.notes())
    }
}

fn fields_of(schema: Imported<PySchema>) -> Vec<Field> {
    schema.0.into_inner().fields().iter().map(|f| f.as_ref().clone()).collect()
}

fn schema(py: Python<'_>, fields: Vec<Field>) -> PyResult<Bound<'_, PyAny>> {
    PySchema::new(Arc::new(Schema::new(fields))).into_pyarrow(py)
}
