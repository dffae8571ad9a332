//! The session cache of the process. A model is loaded once for all batches, partitions and jobs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use mmlrs_core::{
    Cache, Counter, Deadline, Error, FileKey, Result, Stopper, ThreadBudget, guarded, is_interruptible, warn,
};
use ort::environment::Environment;
use ort::ep::ExecutionProvider;
use ort::ep::cuda::ConvAlgorithmSearch;
use ort::logging::LogLevel;
use ort::session::builder::{AutoDevicePolicy, GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, Session, SessionInputValue, SessionOutputs};

use crate::failure::{failed, one_line};
use crate::graph::prepared::{Content, Prepared};
use crate::runtime::library::{loading, runtime};

/// Maximum number of sessions, and maximum bytes of their models.
const SESSIONS: usize = 8;
const SESSION_BYTES: usize = 4 << 30;

/// Maximum seconds of a trial run.
const TRIAL_SECONDS: f64 = 60.0;

/// Session option with the folder of the side files of a model given as bytes.
const EXTERNAL_FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// The device of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    /// On the GPU if the runtime can use one, else on the CPU.
    Auto,
    /// On the CPU.
    Cpu,
    /// On the GPU with that number; it is an error if it is not available.
    Cuda(i32),
}

impl Device {
    /// Parses the param: `auto`, `cpu`, `cuda` or `cuda:N`.
    pub fn parse(text: &str) -> Result<Self> {
        let number = text.strip_prefix("cuda:").map(str::parse::<u16>);
        match (text, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(n))) => Ok(Self::Cuda(i32::from(n))),
            _ => Err(Error::param(
                "device",
                format!("must be \"auto\", \"cpu\", \"cuda\" or \"cuda:N\", got \"{text}\""),
            )),
        }
    }
}

/// Where a model was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Cpu,
    /// The GPU with that number.
    Gpu(i32),
}

/// The level of graph optimization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// None.
    None,
    /// Constant folding and redundant nodes.
    Basic,
    /// Also fusions.
    Extended,
    /// Also memory layouts.
    All,
}

impl OptLevel {
    /// Parses the param, whose values are checked already.
    pub fn parse(text: &str) -> Self {
        match text {
            "none" => Self::None,
            "basic" => Self::Basic,
            "extended" => Self::Extended,
            _ => Self::All,
        }
    }

    fn ort(self) -> GraphOptimizationLevel {
        match self {
            Self::None => GraphOptimizationLevel::Disable,
            Self::Basic => GraphOptimizationLevel::Level1,
            Self::Extended => GraphOptimizationLevel::Level2,
            Self::All => GraphOptimizationLevel::All,
        }
    }
}

/// The options of a session, which are part of the cache key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionOptions {
    /// The device.
    pub device: Device,
    /// The level of graph optimization.
    pub level: OptLevel,
    /// Threads within one operation.
    pub threads: usize,
    /// Whether idle threads spin. That is faster between operations, but takes cores from threads that prepare the next batch.
    pub spin: bool,
}

impl SessionOptions {
    /// One thread on the CPU with few optimizations, for inspecting a model.
    pub(crate) fn plain() -> Self {
        Self { device: Device::Cpu, level: OptLevel::Basic, threads: 1, spin: false }
    }
}

/// The limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// The thread budget, and whether an interrupt ends the run.
    pub threads: ThreadBudget,
    /// The time limit, if there is one.
    pub seconds: Option<f64>,
}

/// A model loaded into the runtime.
#[derive(Debug)]
pub struct LoadedModel {
    // `Run` of one session is not safe from several threads at once. With the threads of one budget it would not be faster
    // anyway.
    session: Mutex<Session>,
    on_cpu: bool,
}

/// A named input of a run.
pub type Feed<'a> = (Cow<'a, str>, SessionInputValue<'a>);

impl LoadedModel {
    /// Whether it runs on the CPU.
    pub fn on_cpu(&self) -> bool {
        self.on_cpu
    }

    /// The session, once no other thread runs it. An interrupt ends the wait.
    fn when_free(&self, threads: ThreadBudget) -> Result<MutexGuard<'_, Session>> {
        while threads.is_interruptible() {
            threads.check()?;
            match self.session.try_lock() {
                Ok(session) => return Ok(session),
                Err(TryLockError::Poisoned(session)) => return Ok(session.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        Ok(self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs the model on `rows` rows and passes the outputs to `read`. An interrupt or the time limit stops the run between two
    /// operations of the graph.
    pub fn run<T>(
        &self,
        feeds: Vec<Feed<'_>>,
        rows: usize,
        limits: RunLimits,
        read: impl FnOnce(&SessionOutputs<'_>) -> Result<T>,
    ) -> Result<T> {
        guarded(|| self.run_guarded(feeds, rows, limits, read)).unwrap_or_else(|panic| Err(unusable(&panic)))
    }

    fn run_guarded<T>(
        &self,
        feeds: Vec<Feed<'_>>,
        rows: usize,
        limits: RunLimits,
        read: impl FnOnce(&SessionOutputs<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut session = self.when_free(limits.threads)?;
        let too_long = |seconds: f64| {
            let (what, remedy) = match rows {
                1 => ("the row".to_owned(), "raise it"),
                _ => (format!("the run of {rows} rows"), "raise it, or lower miniBatchSize"),
            };
            Error::limit(format!("{what} takes longer than maxRunSeconds={seconds}; {remedy}"))
        };
        run_within(&mut session, feeds, limits, too_long, |outputs| {
            Counter::ModelRuns.add(1);
            Counter::ModelRows.add(rows as u64);
            read(outputs)
        })
    }
}

/// Runs a model on synthetic rows, to learn about it, and passes the outputs to `read`.
pub fn run_trial<T>(
    session: &mut Session,
    feeds: Vec<Feed<'_>>,
    read: impl FnOnce(&SessionOutputs<'_>) -> Result<T>,
) -> Result<T> {
    let limits =
        RunLimits { threads: ThreadBudget::new(1).interruptible(is_interruptible()), seconds: Some(TRIAL_SECONDS) };
    let too_long = |seconds| Error::limit(format!("a trial run of the model takes longer than {seconds} seconds"));
    run_within(session, feeds, limits, too_long, read)
}

/// Runs a session within limits. An interrupt or the time limit stops it between two operations of the graph.
fn run_within<T>(
    session: &mut Session,
    feeds: Vec<Feed<'_>>,
    limits: RunLimits,
    too_long: impl FnOnce(f64) -> Error,
    read: impl FnOnce(&SessionOutputs<'_>) -> Result<T>,
) -> Result<T> {
    let options = Arc::new(RunOptions::new().map_err(failed)?);
    let stop = |options: &Arc<RunOptions>| {
        let stopped = options.clone();
        move || drop(stopped.terminate())
    };
    let _stopper = limits.threads.is_interruptible().then(|| Stopper::new(stop(&options)));
    limits.threads.check()?;
    let deadline = limits.seconds.map(|seconds| Deadline::new(seconds, stop(&options)));
    let outputs = session.run_with_options(feeds, options.as_ref()).map_err(failed);
    limits.threads.check()?;
    match (outputs, deadline.and_then(Deadline::exceeded)) {
        (Err(_), Some(seconds)) => Err(too_long(seconds)),
        (outputs, _) => read(&outputs?),
    }
}

/// Cache key of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    sha256: String,
    folder: Option<PathBuf>,
    /// Those of a model with a folder; the bytes of other models contain their weights.
    side_files: Vec<Option<FileKey>>,
    options: SessionOptions,
}

static SESSION_CACHE: Cache<Key, LoadedModel> = Cache::new("sessions of models", SESSIONS, SESSION_BYTES);

/// The session of a prepared model, loaded now unless it is cached.
pub fn session(prepared: &Prepared, options: SessionOptions) -> Result<Arc<LoadedModel>> {
    let folder = prepared.folder().map(PathBuf::from);
    let side_files = if folder.is_some() { prepared.side_files.clone() } else { Vec::new() };
    let key = Key { sha256: prepared.sha256().to_owned(), folder, side_files, options };
    SESSION_CACHE.get_or_make(key, || {
        let (session, place) = open_on_device(prepared.content(), prepared.folder(), options)?;
        Counter::ModelLoads.add(1);
        Ok((LoadedModel { session: Mutex::new(session), on_cpu: place == Place::Cpu }, prepared.size()))
    })
}

/// Loads a model without caching or counting it.
pub fn open(content: &Content, folder: Option<&Path>, options: SessionOptions) -> Result<Session> {
    Ok(open_on_device(content, folder, options)?.0)
}

fn open_on_device(content: &Content, folder: Option<&Path>, options: SessionOptions) -> Result<(Session, Place)> {
    guarded(|| open_guarded(content, folder, options)).unwrap_or_else(|panic| Err(unusable(&panic)))
}

fn unusable(cause: &str) -> Error {
    Error::model(format!("ONNX Runtime cannot use the model: {}", one_line(cause)))
}

fn open_guarded(content: &Content, folder: Option<&Path>, options: SessionOptions) -> Result<(Session, Place)> {
    let open_at = |place| Ok((open_at(content, folder, options, place)?, place));
    match options.device {
        Device::Cpu => open_at(Place::Cpu),
        Device::Cuda(id) => {
            runtime()?;
            if !cuda_available() {
                return Err(Error::model(
                    "device \"cuda\" is not available: the installed ONNX Runtime has no CUDA support; \
                     `pip install onnxruntime-gpu`, or use device \"auto\" or \"cpu\"",
                ));
            }
            open_at(Place::Gpu(id))
        }
        Device::Auto => {
            runtime()?;
            if cuda_available() { gpu_else_cpu(open_at, warn) } else { open_at(Place::Cpu) }
        }
    }
}

/// Opens a model on the first GPU, or else on the CPU with a warning that gives the cause. A model that loads nowhere is an error
/// without a warning.
fn gpu_else_cpu<T>(open_at: impl Fn(Place) -> Result<T>, warn: impl FnOnce(&str) -> Result<()>) -> Result<T> {
    let failure = match open_at(Place::Gpu(0)) {
        Ok(opened) => return Ok(opened),
        Err(failure) => failure,
    };
    let opened = open_at(Place::Cpu)?;
    warn(&format!(
        "device \"auto\": the model runs on the CPU, although the installed ONNX Runtime supports CUDA: {failure}. Device \
         \"cpu\" avoids this warning"
    ))?;
    Ok(opened)
}

fn cuda_available() -> bool {
    ort::ep::CUDA::is_available().unwrap_or(false)
}

fn open_at(content: &Content, folder: Option<&Path>, options: SessionOptions, place: Place) -> Result<Session> {
    let failed = |e: ort::Error| {
        let cause = one_line(&e.to_string());
        Error::model(match place {
            Place::Gpu(id) => format!(
                "ONNX Runtime cannot load the model on device \"cuda:{id}\": {cause}; if it loads with device \"cpu\", check that \
                 this GPU exists and that the CUDA and cuDNN libraries of onnxruntime-gpu are installed"
            ),
            Place::Cpu => format!("ONNX Runtime cannot load the model: {cause}"),
        })
    };
    // Even an `ort::Error` needs the library, so no part of `ort` may be used before this.
    let loading = loading()?;
    let mut builder = configured(&loading.runtime.environment, folder, options, place).map_err(failed)?;
    match content {
        Content::Bytes(bytes) => builder.commit_from_memory(bytes),
        Content::File(path) => builder.commit_from_file(path),
    }
    .map_err(failed)
}

fn configured(
    environment: &Environment,
    folder: Option<&Path>,
    options: SessionOptions,
    place: Place,
) -> ort::Result<SessionBuilder> {
    let mut builder = Session::builder(environment)?
        .with_log_level(LogLevel::Fatal)?
        .with_optimization_level(options.level.ort())?
        .with_intra_threads(options.threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(options.spin && options.threads > 1)?
        .with_auto_device(AutoDevicePolicy::PreferCPU)?;
    if let Some(folder) = folder {
        builder = builder.with_config_entry(EXTERNAL_FOLDER, folder.to_string_lossy())?;
    }
    if let Place::Gpu(id) = place {
        // The default search times all algorithms of a convolution for every new number of rows, which takes seconds.
        let provider =
            ort::ep::CUDA::default().with_device_id(id).with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
        builder = builder.with_execution_providers([provider.build().error_on_failure()])?;
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use mmlrs_core::{ModelSource, put_blob};

    use super::*;

    #[test]
    fn a_device_is_one_of_four_forms() {
        assert_eq!(Device::parse("cuda:3"), Ok(Device::Cuda(3)));
        assert_eq!(Device::parse("auto"), Ok(Device::Auto));
        assert!(Device::parse("gpu").is_err_and(|e| e.to_string().contains("\"cuda:N\"")));
    }

    #[test]
    fn a_model_is_loaded_once_for_the_same_options() {
        crate::testing::use_runtime();
        let source = ModelSource::Blob(put_blob(&crate::sample::sample_model()));
        let prepared = crate::prepare(&source, &[]).expect("prepared");
        let options = SessionOptions { device: Device::Cpu, level: OptLevel::All, threads: 1, spin: false };
        let first = session(&prepared, options).expect("a session");
        let second = session(&prepared, options).expect("a session");
        assert!(Arc::ptr_eq(&first, &second));
        let other = session(&prepared, SessionOptions { threads: 2, ..options }).expect("a session");
        assert!(!Arc::ptr_eq(&first, &other));
    }

    #[test]
    fn a_gpu_that_fails_is_a_warning_with_the_cause_unless_the_cpu_fails_too() {
        let warned = std::cell::RefCell::new(Vec::new());
        let warn = |text: &str| {
            warned.borrow_mut().push(text.to_owned());
            Ok(())
        };
        assert_eq!(gpu_else_cpu(Ok, warn), Ok(Place::Gpu(0)));
        assert_eq!(gpu_else_cpu(|_| Err::<(), _>(Error::model("no model")), warn), Err(Error::model("no model")));
        assert!(warned.borrow().is_empty());

        let on_cpu = |place| if place == Place::Cpu { Ok(place) } else { Err(Error::model("no libcudnn")) };
        assert_eq!(gpu_else_cpu(on_cpu, warn), Ok(Place::Cpu));
        assert!(matches!(&warned.borrow()[..], [text] if text.contains("no libcudnn") && text.contains("CPU")));
        let strict = |text: &str| Err(Error::model(text));
        assert!(gpu_else_cpu(on_cpu, strict).is_err_and(|e| e.to_string().contains("no libcudnn")));
    }

    #[test]
    fn cuda_without_cuda_is_a_clear_error() {
        crate::testing::use_runtime();
        if runtime().is_ok() && cuda_available() {
            return;
        }
        let source = ModelSource::Blob(put_blob(&crate::sample::sample_model()));
        let prepared = crate::prepare(&source, &[]).expect("prepared");
        let options = SessionOptions { device: Device::Cuda(0), level: OptLevel::All, threads: 1, spin: false };
        let message = session(&prepared, options).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("onnxruntime-gpu"), "{message}");
    }
}
