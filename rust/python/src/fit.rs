//! The class that runs native estimators and summaries.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::Schema;
use mmlrs_core::{AnyState, Block, Column, Context, Error, Fitted, Result, ThreadBudget};
use mmlrs_registry::{AggregateWork, BuiltAggregate, Handle};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::PyRecordBatch;
use serde_json::{Map, Value, json};

use crate::arrow::Imported;
use crate::errors::{detached, placed, watched};

/// The state of an estimator or a summary over the rows read so far.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Fit {
    built: Arc<BuiltAggregate>,
    values: Map<String, Value>,
    schema: Schema,
    state: Mutex<Option<AnyState>>,
    notes: Mutex<Vec<String>>,
}

impl Fit {
    /// The state before any row. The schema has the columns that the stage reads, under the names that its params give.
    pub fn start(handle: &Handle, schema: &Schema) -> Result<Self> {
        let (built, params) = handle.aggregate()?;
        built.check_types(schema)?;
        let empty = built.work.states().new_state(schema).map_err(|e| e.at_stage(built.spec.name))?;
        let (values, schema) = (params.values.clone(), schema.clone());
        Ok(Self { built, values, schema, state: Mutex::new(Some(empty)), notes: Mutex::default() })
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut AnyState) -> Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_mut().ok_or_else(|| Error::runtime("the fit is finished"))?;
        work(state).map_err(|e| e.at_stage(self.built.spec.name))
    }
}

#[pymethods]
impl Fit {
    /// Adds a batch, whose columns are those of the schema in the same order. `first` and `interruptible` are as for programs.
    #[pyo3(signature = (batch, threads, *, first = None, interruptible = false))]
    fn update(
        &self,
        py: Python<'_>,
        batch: Imported<PyRecordBatch>,
        threads: usize,
        first: Option<usize>,
        interruptible: bool,
    ) -> PyResult<()> {
        let batch = batch.0.into_inner();
        let cx = Context { threads: ThreadBudget::new(threads).interruptible(interruptible) };
        watched(py, interruptible, || {
            let columns = self
                .schema
                .fields()
                .iter()
                .zip(batch.columns())
                .map(|(field, array)| (field.name().clone(), Column::Arrow(array.clone(), field.metadata().clone())))
                .collect();
            let block = Block::new(batch.num_rows(), columns)?;
            self.with_state(|state| self.built.work.states().update(state, &block, &cx)).map_err(|e| placed(e, first))
        })
    }

    /// Merges the state of another process.
    fn merge(&self, py: Python<'_>, state: &[u8]) -> PyResult<()> {
        detached(py, || self.with_state(|own| self.built.work.states().merge(own, state)))
    }

    /// The state as bytes, for another process.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = detached(py, || self.with_state(|state| self.built.work.states().encode(state)))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Messages to show the user once. They are complete after the fit.
    fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the state grows with the rows.
    #[getter]
    fn grows(&self) -> bool {
        self.built.work.states().grows()
    }

    /// Ends the fit and returns JSON: for an estimator the class of the `model` and its `params`, for a summary its result.
    fn finish(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
            let state = state.ok_or_else(|| Error::runtime("the fit is finished"))?;
            let result = match &self.built.work {
                AggregateWork::Fit(fit) => fit.finish(state, &self.schema).and_then(|fitted| self.model(&fitted)),
                AggregateWork::Summary(summary) => summary.finish(state).map(Value::Object),
            };
            result.map(|value| value.to_string()).map_err(|e| e.at_stage(self.built.spec.name))
        })
    }
}

impl Fit {
    /// The model's class and its params: those that were fitted and those it shares with the estimator.
    fn model(&self, fitted: &Fitted) -> Result<Value> {
        *self.notes.lock().unwrap_or_else(PoisonError::into_inner) =
            fitted.notes.iter().map(|note| format!("{}: {note}", self.built.spec.name)).collect();
        let model = self.built.spec.model.ok_or_else(|| Error::runtime("an estimator names its model"))?;
        let mut values = Map::new();
        for param in &mmlrs_registry::find(model)?.spec().params {
            if let Some(value) = fitted.params.get(param.name).or_else(|| self.values.get(param.name)) {
                values.insert(param.name.to_owned(), value.clone());
            }
        }
        Ok(json!({"model": model, "params": values}))
    }
}
