//! The class of native stages, whose params are checked and built once, then planned or fitted.

use std::sync::Arc;

use arrow_schema::Schema;
use mmlrs_core::{Error, HandleInvalid, ParamMap, Result};
use mmlrs_registry::{Handle, Portable, StagePlan};
use pyo3::prelude::*;
use pyo3_arrow::PySchema;
use serde_json::Value;

use crate::arrow::Imported;
use crate::errors::planning;
use crate::fit::Fit;
use crate::models::{Blob, held};
use crate::program::Program;

/// A stage with its params, built once. For a stage with a Python body only the params are checked.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Stage {
    handle: Handle,
}

#[pymethods]
impl Stage {
    /// A stage of a class. `params` is a JSON object.
    #[new]
    fn new(py: Python<'_>, stage: &str, uid: &str, params: &str) -> PyResult<Self> {
        planning(py, || {
            let Ok(Value::Object(values)) = serde_json::from_str(params) else {
                return Err(Error::param("params", "must be a JSON object"));
            };
            Ok(Self { handle: Handle::new(stage, ParamMap::new(uid, values))? })
        })
    }

    /// Whether the files that the params name are unchanged since the stage was built.
    fn is_current(&self, py: Python<'_>) -> bool {
        py.detach(|| self.handle.is_current())
    }

    /// The columns that the stage reads.
    fn inputs(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        planning(py, || self.handle.inputs())
    }

    /// Input columns whose Spark ML vectors the stage reads in their own form, dense or sparse.
    fn vector_inputs(&self) -> Vec<String> {
        self.handle.vector_inputs()
    }

    /// The plan for input columns of these types, under the names that the params give.
    fn plan(&self, py: Python<'_>, inputs: Imported<PySchema>) -> PyResult<Plan> {
        let schema = inputs.0.into_inner();
        planning(py, || Ok(Plan { plan: self.handle.plan(&schema)? }))
    }

    /// The state of an estimator before any row, for input columns of these types.
    fn fit(&self, py: Python<'_>, inputs: Imported<PySchema>) -> PyResult<Fit> {
        let schema = inputs.0.into_inner();
        planning(py, || Fit::start(&self.handle, &schema))
    }

    /// An estimator's params as JSON in a form that other processes can use, and the stored bytes that they refer to.
    fn portable(&self, py: Python<'_>) -> PyResult<(String, Vec<Blob>)> {
        planning(py, || blobs_of(self.handle.portable()?))
    }
}

/// A stage planned for input columns of some types.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Plan {
    plan: StagePlan,
}

#[pymethods]
impl Plan {
    /// The columns that the stage adds.
    #[getter]
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        PySchema::new(Arc::new(Schema::new(self.plan.fields.clone()))).into_pyarrow(py)
    }

    /// The params as JSON, including those that depend on the input columns.
    #[getter]
    fn params(&self) -> String {
        Value::Object(self.plan.params().clone()).to_string()
    }

    /// The name of the error column to add, if any.
    #[getter]
    fn error_col(&self) -> Option<&str> {
        self.plan.stage.policy.error_col.as_deref()
    }

    /// Whether the stage drops the rows that it cannot process.
    #[getter]
    fn skips(&self) -> bool {
        self.plan.stage.policy.handle_invalid == HandleInvalid::Skip
    }

    /// Messages to show the user once.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.plan.notes.clone()
    }

    /// The params as JSON in a form that other processes can use, and the stored bytes that they refer to.
    fn portable(&self, py: Python<'_>) -> PyResult<(String, Vec<Blob>)> {
        planning(py, || blobs_of(self.plan.portable()?))
    }

    /// The program that computes all the stage's columns from those it reads, then its errors and its mask if requested.
    #[pyo3(signature = (*, errors = false, mask = false))]
    fn program(&self, py: Python<'_>, errors: bool, mask: bool) -> PyResult<Program> {
        planning(py, || Ok(Program::of(mmlrs_registry::Program::of(&self.plan, errors, mask)?)))
    }
}

fn blobs_of((params, hashes): Portable) -> Result<(String, Vec<Blob>)> {
    let blobs = hashes.iter().map(|sha256| held(sha256)).collect::<Result<_>>()?;
    Ok((Value::Object(params).to_string(), blobs))
}
