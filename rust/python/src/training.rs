//! The class that trains networks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mmlrs_ann::peers::{Limits, Listener as Port};
use mmlrs_ann::training::{
    Columns, Dataset, Finish, Progress, Reader, Settings, Start, StateReader, Trainer as Worker, parameters_of,
};
use mmlrs_ann::{Alone, Description, Network, Reduce, Targets, check_network, file};
use mmlrs_core::{Error, Result, ThreadBudget};
use pyo3::exceptions::PyConnectionError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::PyRecordBatch;
use serde_json::json;

use crate::arrow::Imported;
use crate::errors::{detached, placed, to_py, watched};

/// A port at which a worker waits for the other workers of a training.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Listener(Mutex<Option<Port>>);

#[pymethods]
impl Listener {
    #[new]
    fn new(py: Python<'_>, host: &str) -> PyResult<Self> {
        Ok(Self(Mutex::new(Some(detached(py, || Port::bind(host))?))))
    }

    /// The number of the port.
    #[getter]
    fn port(&self) -> u16 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Port::port)
    }
}

/// Other workers, of which it is known whether one was lost.
struct Watched {
    inner: Box<dyn Reduce>,
    is_lost: Arc<AtomicBool>,
}

impl Watched {
    fn noted<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Reduce for Watched {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<()> {
        let result = self.inner.sum(values);
        self.noted(result)
    }

    fn sum_f64(&mut self, values: &mut [f64]) -> Result<()> {
        let result = self.inner.sum_f64(values);
        self.noted(result)
    }

    fn broadcast(&mut self, from: usize, values: &mut [f32]) -> Result<()> {
        let result = self.inner.broadcast(from, values);
        self.noted(result)
    }

    fn gather(&mut self, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        let result = self.inner.gather(message);
        self.noted(result)
    }

    fn exchange(&mut self, parcels: &[&[u8]], lengths: &[usize]) -> Result<Vec<Vec<u8>>> {
        let result = self.inner.exchange(parcels, lengths);
        self.noted(result)
    }

    fn abort(&mut self, reason: &str) {
        self.inner.abort(reason);
    }

    fn bytes_sent(&self) -> u64 {
        self.inner.bytes_sent()
    }

    fn seconds(&self) -> f64 {
        self.inner.seconds()
    }
}

/// A worker's part of a training: it reads rows, then takes steps.
#[pyclass(frozen, module = "mmlrs._native")]
pub struct Trainer {
    stage: String,
    network: Network,
    settings: Settings,
    inner: Mutex<Inner>,
    is_lost: Arc<AtomicBool>,
}

enum Inner {
    Reading(Box<Reader>, Box<dyn Reduce>),
    Ready(Box<Worker>),
    Nothing,
}

impl Trainer {
    fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut inner).map_err(|e| e.at_stage(&self.stage)).inspect_err(|e| {
            // The others need not wait for this worker.
            match &mut *inner {
                Inner::Reading(_, workers) => workers.abort(e.message()),
                Inner::Ready(worker) => worker.workers().abort(e.message()),
                Inner::Nothing => {}
            }
        })
    }

    /// The error of a lost worker as a `ConnectionError`, after which another attempt may succeed.
    fn told<T>(&self, result: PyResult<T>) -> PyResult<T> {
        result.map_err(|error| {
            if self.is_lost.load(Ordering::Relaxed) {
                Python::attach(|py| PyConnectionError::new_err(error.value(py).to_string()))
            } else {
                error
            }
        })
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
        let (input, outputs) = (network.input().len(), network.output().len());
        let data = Dataset::new(input, outputs, settings.validation_fraction, settings.seed);
        let reader = Reader::new(columns, &network, data);
        Ok((network, settings, reader))
    }
}

#[pymethods]
impl Trainer {
    #[new]
    fn new(py: Python<'_>, stage: String, network: &str, settings: &str, columns: &str) -> PyResult<Self> {
        let parts = detached(py, || Self::parts(&stage, network, settings, columns));
        let (network, settings, reader) = parts?;
        let inner = Inner::Reading(Box::new(reader), Box::new(Alone::new()));
        Ok(Self { stage, network, settings, inner: Mutex::new(inner), is_lost: Arc::default() })
    }

    #[expect(clippy::needless_pass_by_value, reason = "pyo3 extracts lists")]
    /// Connects to the other workers, before rows are read. `silence` is the number of seconds to wait for one.
    fn connect(
        &self,
        py: Python<'_>,
        listener: &Listener,
        rank: usize,
        addresses: Vec<String>,
        token: [u8; 32],
        silence: f64,
    ) -> PyResult<()> {
        let wait = Duration::try_from_secs_f64(silence).unwrap_or(Duration::from_mins(2));
        let connected = detached(py, || {
            let port = listener.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            let port = port.ok_or_else(|| Error::runtime("the port is closed"))?;
            let limits = Limits { connect: wait, silence: wait };
            let peers = port.connect(rank, &addresses, &token, limits).inspect_err(|_| {
                self.is_lost.store(true, Ordering::Relaxed);
            });
            let peers = peers.map_err(|e| e.at_stage(&self.stage))?;
            self.locked(|inner| match inner {
                Inner::Reading(_, workers) => {
                    *workers = Box::new(Watched { inner: Box::new(peers), is_lost: Arc::clone(&self.is_lost) });
                    Ok(())
                }
                _ => Err(Error::runtime("the training has started")),
            })
        });
        self.told(connected)
    }

    /// Reads the rows of a batch. `first` is as for programs.
    #[pyo3(signature = (batch, *, first = None))]
    fn add(&self, py: Python<'_>, batch: Imported<PyRecordBatch>, first: Option<usize>) -> PyResult<()> {
        let batch = batch.0.into_inner();
        detached(py, || {
            self.locked(|inner| match inner {
                Inner::Reading(reader, _) => reader.add(&batch).map_err(|e| placed(e, first)),
                _ => Err(Error::runtime("the training has started")),
            })
        })
    }

    /// Starts after the last batch, from a state in pieces, from parameters, or from the seed. Returns the number of rows to
    /// train on, of those held out and of those left out.
    /// `root` is the worker that has a state, or -1 if there is none.
    #[pyo3(signature = (threads, *, state = None, root = -1, parameters = None, interruptible = false))]
    fn start(
        &self,
        py: Python<'_>,
        threads: usize,
        state: Option<Bound<'_, PyAny>>,
        root: i64,
        parameters: Option<&[u8]>,
        interruptible: bool,
    ) -> PyResult<(usize, usize, u64)> {
        let start = match (usize::try_from(root), parameters) {
            (Ok(root), _) => {
                let reader = state.map(|pieces| reader_of(&pieces)).transpose()?;
                Start::State { root, reader }
            }
            (Err(_), Some(bytes)) => Start::Parameters(floats(bytes)),
            (Err(_), None) => Start::Seed,
        };
        let started = watched(py, interruptible, || {
            self.locked(|inner| {
                let Inner::Reading(reader, workers) = std::mem::replace(inner, Inner::Nothing) else {
                    return Err(Error::runtime("the training has started"));
                };
                let Reader { data, skipped, .. } = *reader;
                let counts = (data.train.rows(), data.held_out.rows(), skipped);
                let budget = ThreadBudget::new(threads).interruptible(interruptible);
                let worker = Worker::new(self.network.clone(), self.settings.clone(), data, workers, budget, start)?;
                *inner = Inner::Ready(Box::new(worker));
                Ok(counts)
            })
        });
        self.told(started)
    }

    /// Does at most so many iterations or epochs, and starts none after so many seconds, if they are given. Returns JSON: the
    /// `lines` of the history, the reason to `finish` or null, and `baseline`: the `loss` of the best constant answer, and mean and
    /// standard deviation of the `values` of the targets.
    #[pyo3(signature = (iterations, seconds = None, *, interruptible = false))]
    fn run(&self, py: Python<'_>, iterations: usize, seconds: Option<f64>, interruptible: bool) -> PyResult<String> {
        let seconds = seconds.unwrap_or(f64::INFINITY);
        let done = watched(py, interruptible, || {
            self.with_worker(|worker| {
                let lines: Vec<Progress> = worker.run(iterations, seconds)?;
                let finish: Option<Finish> = worker.finish();
                Ok(json!({"lines": lines, "finish": finish, "baseline": worker.baseline()}).to_string())
            })
        });
        self.told(done)
    }

    /// Goes on from a state in pieces.
    fn restore(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let reader = reader_of(state)?;
        detached(py, || self.with_worker(|worker| worker.resume(Some(reader), 0)))
    }

    /// The median seconds of a gradient of this worker's rows, and of a sum of a gradient over the workers.
    fn time(&self, py: Python<'_>, gradients: usize, sums: usize) -> PyResult<(f64, f64)> {
        let measured = detached(py, || self.with_worker(|worker| worker.time(gradients, sums)));
        self.told(measured).map(|[gradient, sum]| (gradient, sum))
    }

    /// The state in pieces of bytes, from which another worker can go on.
    fn state<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        (0..self.state_lengths(py)?.len()).map(|at| self.state_piece(py, at)).collect()
    }

    /// The number of bytes of each piece of the state.
    fn state_lengths(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        detached(py, || self.with_worker(|worker| Ok(worker.state()?.lengths())))
    }

    /// A piece of the state.
    fn state_piece<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyBytes>> {
        let piece = detached(py, || {
            self.with_worker(|worker| {
                worker.state()?.piece(at).ok_or_else(|| Error::runtime(format!("the state has no piece {at}")))
            })
        })?;
        Ok(PyBytes::new(py, &piece))
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

/// Reads a state piece by piece.
fn reader_of(pieces: &Bound<'_, PyAny>) -> PyResult<StateReader> {
    let mut reader = StateReader::default();
    for piece in pieces.try_iter()? {
        let piece = piece?;
        reader.push(piece.extract::<&[u8]>()?).map_err(|e| to_py(pieces.py(), &e))?;
    }
    Ok(reader)
}

/// The trained network of a state in pieces, as a file.
#[pyfunction]
pub fn network_of_state<'py>(
    py: Python<'py>,
    description: &str,
    settings: &str,
    state: &Bound<'_, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let reader = reader_of(state)?;
    let bytes = detached(py, || {
        let patience = Settings::parse(settings)?.patience;
        file::write(&Description::parse(description)?, &parameters_of(reader, patience)?)
    })?;
    Ok(PyBytes::new(py, &bytes))
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

/// A network with these parameters as a file.
#[pyfunction]
pub fn network_file<'py>(py: Python<'py>, description: &str, parameters: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = detached(py, || file::write(&Description::parse(description)?, &floats(parameters)))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The layers of a network file before a layer, as a network file.
#[pyfunction]
pub fn network_part<'py>(py: Python<'py>, bytes: &[u8], layer: usize) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = detached(py, || file::first_part(bytes, layer))?;
    Ok(PyBytes::new(py, &bytes))
}

/// The weights with which a network starts if none are given, in single precision.
#[pyfunction]
pub fn initial_weights<'py>(py: Python<'py>, description: &str, seed: u64) -> PyResult<Bound<'py, PyBytes>> {
    let weights = detached(py, || Ok(Description::parse(description)?.network()?.initial(seed)))?;
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    Ok(PyBytes::new(py, &bytes))
}

/// The median seconds of the matrix products that a gradient of a batch of so many rows needs, on one thread. `description` is that
/// of a network of dense layers.
#[pyfunction]
pub fn time_products(py: Python<'_>, description: &str, rows: usize, repeats: usize) -> PyResult<f64> {
    detached(py, || Description::parse(description)?.network()?.time_products(rows, repeats))
}

/// Compares the derivatives of a network with finite differences. `classes` are the targets of a classifier, else `values`.
/// Returns the number of derivatives, the largest relative difference, and its parameter.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 extracts lists")]
pub fn check_gradients(
    py: Python<'_>,
    description: &str,
    x: &[u8],
    classes: Vec<u32>,
    values: &[u8],
    seed: u64,
    most: usize,
) -> PyResult<(usize, f64, usize)> {
    detached(py, || {
        let network = Description::parse(description)?.network()?;
        let values = floats(values);
        let targets = if classes.is_empty() { Targets::Values(&values) } else { Targets::Classes(&classes) };
        let checked = check_network(&network, &network.initial(seed), &floats(x), targets, most)?;
        Ok((checked.compared, checked.worst, checked.at))
    })
}
