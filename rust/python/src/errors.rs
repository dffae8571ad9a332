//! Converts errors to Python exceptions, and runs work without the interpreter lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use mmlrs_core::{Error, ErrorKind, Result, clear_interrupt, interruptible, panic_text, request_interrupt};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// The class in `mmlrs.errors` for each kind.
fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidParam => "InvalidParamError",
        ErrorKind::ColumnNotFound => "ColumnNotFoundError",
        ErrorKind::SchemaMismatch => "SchemaMismatchError",
        ErrorKind::Decode => "DecodeError",
        ErrorKind::ModelLoad => "ModelLoadError",
        ErrorKind::Runtime | ErrorKind::Interrupted => "ExecutionError",
        ErrorKind::LimitExceeded => "LimitExceededError",
        ErrorKind::BatchTooLarge => "BatchTooLargeError",
        ErrorKind::Io => "IoError",
    }
}

/// The Python exception for an error.
pub fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = MODULE
        .get_or_try_init(py, || py.import("mmlrs.errors").map(|m| m.into_any().unbind()))
        .and_then(|module| module.bind(py).getattr(class_name(error.kind())))
        .and_then(|class| Ok(class.cast_into::<PyType>()?));
    match class {
        Ok(class) => PyErr::from_type(class, error.to_string()),
        Err(_) => PyRuntimeError::new_err(error.to_string()),
    }
}

/// Adds the place in the table to an error of a batch, where `first` is the table row of the batch's first row.
pub fn placed(error: Error, first: Option<usize>) -> Error {
    match first {
        Some(first) => error.in_table(first),
        None => error,
    }
}

/// Runs native work with the interpreter lock released. A panic becomes an error and never ends the process.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| caught(work)).map_err(|error| to_py(py, &error))
}

fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Error::runtime(format!("internal error, please report it: {}", panic_text(panic.as_ref()))))
    })
}

/// How often the main thread checks for signals while it waits for work.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// Like [`watched`], for work that may load and try a model, in any thread.
pub fn planning<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("current_thread")?.is(&threading.call_method0("main_thread")?);
    watched(py, main, work)
}

/// Like [`detached`]. With `watch`, which is allowed in the main thread only, the work runs in a separate thread and ends early
/// when a signal handler raises, such as that of Ctrl-C.
pub fn watched<T: Send>(py: Python<'_>, watch: bool, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    if !watch {
        return detached(py, work);
    }
    std::thread::scope(|scope| {
        let (sender, mut receiver) = channel();
        let worker = scope.spawn(move || {
            let result = interruptible(|| caught(work));
            let _ = sender.send(());
            result
        });
        let mut raised = None;
        loop {
            let (back, outcome) = py.detach(move || {
                let outcome = receiver.recv_timeout(SIGNALS_EVERY);
                (receiver, outcome)
            });
            receiver = back;
            match outcome {
                Err(RecvTimeoutError::Timeout) if raised.is_none() => {
                    if let Err(error) = py.check_signals() {
                        raised = Some(error);
                        request_interrupt();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let result = py.detach(|| worker.join());
        if let Some(error) = raised {
            clear_interrupt();
            return Err(error);
        }
        let result = result.map_err(|_| PyRuntimeError::new_err("a thread of mmlrs ended early"))?;
        result.map_err(|error| to_py(py, &error))
    })
}
