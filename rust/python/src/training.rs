//! The class that trains networks.

use std::sync::{Mutex, PoisonError};

use mmlrs_ann::training::{
    Columns, Dataset, Finish, Progress, Reader, Settings, Start, StateReader, Trainer as Worker,
};
use mmlrs_ann::{Alone, Description, Network, file};
use mmlrs_core::{Error, Result, ThreadBudget};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::PyRecordBatch;
use serde_json::json;

use crate::arrow::Imported;
use crate::errors::{detached, placed, to_py, watched};

/// A worker's part of a training: it reads rows, then takes steps.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Trainer {
    stage: String,
    network: Network,
    settings: Settings,
    inner: Mutex<Inner>,
}

enum Inner {
    Reading(Box<Reader>),
    Ready(Box<Worker>),
    Nothing,
}

impl Trainer {
    fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut inner).map_err(|e| e.at_stage(&self.stage))
    }

    /// Reads a state piece by piece.
    fn reader(&self, pieces: &Bound<'_, PyAny>) -> PyResult<StateReader> {
        let mut reader = StateReader::default();
        for piece in pieces.try_iter()? {
            let piece = piece?;
            let pushed = reader.push(piece.extract::<&[u8]>()?);
            pushed.map_err(|e| to_py(pieces.py(), &e.at_stage(&self.stage)))?;
        }
        Ok(reader)
    }

    fn with_worker<T>(&self, work: impl FnOnce(&mut Worker) -> Result<T>) -> Result<T> {
        self.locked(|inner| match inner {
            Inner::Ready(worker) => work(worker),
            _ => Err(Error::runtime("the training has not started")),
        })
    }

    fn parts(stage: &str, network: &str, settings: &str, columns: &str) -> Result<(Network, Settings, Reader)> {
        let network = Description::parse(network).and_then(|description| description.network());
        let network = network.map_err(|e| e.at_stage(stage))?;
        let settings = Settings::parse(settings)?;
        let columns: Columns =
            serde_json::from_str(columns).map_err(|e| Error::runtime(format!("the columns of the training: {e}")))?;
        let (width, outputs) = (network.input().len(), network.output().len());
        let data = Dataset::new(width, outputs, settings.validation_fraction, settings.seed);
        Ok((network, settings, Reader::new(columns, width, outputs, data)))
    }
}

#[pymethods]
impl Trainer {
    #[new]
    fn new(py: Python<'_>, stage: String, network: &str, settings: &str, columns: &str) -> PyResult<Self> {
        let parts = detached(py, || Self::parts(&stage, network, settings, columns));
        let (network, settings, reader) = parts?;
        Ok(Self { stage, network, settings, inner: Mutex::new(Inner::Reading(Box::new(reader))) })
    }

    /// Reads the rows of a batch. `first` is as for programs.
    #[pyo3(signature = (batch, *, first = None))]
    fn add(&self, py: Python<'_>, batch: Imported<PyRecordBatch>, first: Option<usize>) -> PyResult<()> {
        let batch = batch.0.into_inner();
        detached(py, || {
            self.locked(|inner| match inner {
                Inner::Reading(reader) => reader.add(&batch).map_err(|e| placed(e, first)),
                _ => Err(Error::runtime("the training has started")),
            })
        })
    }

    /// Starts after the last batch, from a state in pieces, from parameters, or from the seed. Returns the number of rows to
    /// train on, of those held out and of those left out.
    #[pyo3(signature = (threads, *, state = None, parameters = None, interruptible = false))]
    fn start(
        &self,
        py: Python<'_>,
        threads: usize,
        state: Option<Bound<'_, PyAny>>,
        parameters: Option<&[u8]>,
        interruptible: bool,
    ) -> PyResult<(usize, usize, u64)> {
        let start = match (state, parameters) {
            (Some(pieces), _) => Start::State { root: 0, reader: Some(self.reader(&pieces)?) },
            (None, Some(bytes)) => Start::Parameters(floats(bytes)),
            (None, None) => Start::Seed,
        };
        watched(py, interruptible, || {
            self.locked(|inner| {
                let Inner::Reading(reader) = std::mem::replace(inner, Inner::Nothing) else {
                    return Err(Error::runtime("the training has started"));
                };
                let Reader { data, skipped, .. } = *reader;
                let counts = (data.train.rows(), data.held_out.rows(), skipped);
                let budget = ThreadBudget::new(threads).interruptible(interruptible);
                let worker =
                    Worker::new(self.network.clone(), self.settings.clone(), data, Box::new(Alone::new()), budget, start)?;
                *inner = Inner::Ready(Box::new(worker));
                Ok(counts)
            })
        })
    }

    /// Does at most so many iterations or epochs. Returns JSON: the `lines` of the history, and the reason to `finish` or null.
    #[pyo3(signature = (iterations, *, interruptible = false))]
    fn run(&self, py: Python<'_>, iterations: usize, interruptible: bool) -> PyResult<String> {
        watched(py, interruptible, || {
            self.with_worker(|worker| {
                let lines: Vec<Progress> = worker.run(iterations)?;
                let finish: Option<Finish> = worker.finish();
                Ok(json!({"lines": lines, "finish": finish}).to_string())
            })
        })
    }

    /// Goes on from a state in pieces.
    fn restore(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let reader = self.reader(state)?;
        detached(py, || self.with_worker(|worker| worker.resume(Some(reader), 0)))
    }

    /// The state in pieces of bytes, from which another worker can go on.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let pieces = detached(py, || self.with_worker(|worker| worker.state()))?;
        Ok(pieces.iter().map(|piece| PyBytes::new(py, piece)).collect())
    }

    /// The trained network as a file.
    fn network<'py>(&self, py: Python<'py>, description: &str) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = detached(py, || {
            let description = Description::parse(description)?;
            self.with_worker(|worker| file::write(&description, worker.parameters()))
        })?;
        Ok(PyBytes::new(py, &bytes))
    }
}

/// Numbers in single precision from their bytes.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// The description and the parameters of a network file.
#[pyfunction]
pub fn read_network<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<(String, Bound<'py, PyBytes>)> {
    let (description, parameters) = file::read(bytes).map_err(|e| to_py(py, &e))?;
    let text = serde_json::to_string(&description)
        .map_err(|e| to_py(py, &Error::runtime(format!("the network has no form in JSON: {e}"))))?;
    Ok((text, PyBytes::new(py, parameters)))
}

/// The number of parameters of a network, its output shape, and an error if its layers do not fit.
#[pyfunction]
pub fn network_info(py: Python<'_>, description: &str) -> PyResult<String> {
    detached(py, || {
        let network = Description::parse(description)?.network()?;
        let info = json!({
            "parameters": network.parameter_count(),
            "inputs": network.input().len(),
            "outputs": network.output().len(),
        });
        Ok(info.to_string())
    })
}
