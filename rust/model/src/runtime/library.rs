//! ONNX Runtime, which is located and loaded on first use, never at import.

use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, OnceLock};

use mmlrs_core::{Error, Kept, Result};
use ort::environment::Environment;
use ort::ep::ExecutionProvider;
use ort::logging::LogLevel;

type Locator = Box<dyn Fn() -> Result<PathBuf> + Send + Sync>;

static LOCATOR: OnceLock<Locator> = OnceLock::new();
/// Forked children keep it: a process can start the runtime only once, and a child inherits the started one.
static RUNTIME: Kept<Option<Runtime>> = Kept::new(None);

/// The loaded ONNX Runtime.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// The environment in which sessions are created.
    pub(crate) environment: Environment,
    /// The path of the loaded library.
    pub library: PathBuf,
}

/// Sets the function that locates the library `libonnxruntime` in the installed `onnxruntime` package. Only the first call has
/// an effect. The locator runs when a model is loaded for the first time.
pub fn set_library_locator(locator: Box<dyn Fn() -> Result<PathBuf> + Send + Sync>) {
    let _ = LOCATOR.set(locator);
}

/// The runtime, loaded now if necessary. A failure is not cached, since installing the package resolves it.
pub fn runtime() -> Result<Runtime> {
    Ok(loading()?.runtime)
}

/// The runtime, locked while a model is loaded into it. No thread may fork meanwhile, since the runtime has its own locks.
pub fn loading() -> Result<Loading> {
    let mut slot = RUNTIME.lock();
    let runtime = match &*slot {
        Some(runtime) => runtime.clone(),
        None => slot.insert(start()?).clone(),
    };
    Ok(Loading { runtime, _held: slot })
}

/// Waits for models that are being loaded, and keeps other threads from loading until the calling thread has forked.
pub fn hold_runtime() {
    RUNTIME.hold();
}

/// The locked runtime.
pub struct Loading {
    /// The runtime.
    pub runtime: Runtime,
    _held: MutexGuard<'static, Option<Runtime>>,
}

fn start() -> Result<Runtime> {
    let library = match LOCATOR.get() {
        Some(locator) => locator()?,
        None => {
            std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from).ok_or_else(|| missing("no library path is set"))?
        }
    };
    if !library.is_file() {
        return Err(missing(&format!("`{}` does not exist", library.display())));
    }
    let builder = ort::init_from(&library).map_err(|error| refused(&error))?;
    let environment = builder
        .with_name("mmlrs")
        .with_telemetry(false)
        .build()
        .map_err(|e| Error::model(format!("ONNX Runtime does not start: {e}")))?;
    // Every failure is returned as a status, so additional output of the runtime would only flood the executor's log.
    environment.set_log_level(LogLevel::Fatal);
    Ok(Runtime { environment, library })
}

fn missing(cause: &str) -> Error {
    Error::model(format!(
        "ONNX Runtime is not installed ({cause}); `pip install onnxruntime` version 1.{} or later (`onnxruntime-gpu` \
         for GPUs)",
        ort::MINOR_VERSION
    ))
}

fn refused(error: &ort::LoadDynamicError) -> Error {
    match error {
        ort::LoadDynamicError::BadVersion { version_str, path } => Error::model(format!(
            "ONNX Runtime {version_str} at `{}` is too old; `pip install -U onnxruntime` to version 1.{} or later",
            path.display(),
            ort::MINOR_VERSION
        )),
        other => Error::model(format!(
            "ONNX Runtime cannot be loaded: {other}{}; install the package again for this system: `pip install \
             --force-reinstall onnxruntime`",
            reason_of(other)
        )),
    }
}

/// What the system's loader said, which the error itself does not contain.
fn reason_of(error: &ort::LoadDynamicError) -> String {
    let ort::LoadDynamicError::Dlopen { error, .. } = error else { return String::new() };
    std::error::Error::source(error).map_or_else(String::new, |reason| format!(" ({reason})"))
}

/// The version of the loaded runtime.
pub fn runtime_version() -> Result<String> {
    let runtime = runtime()?;
    Ok(version_in_name(&runtime.library)
        .or_else(|| version_in_build_info(ort::info()))
        .unwrap_or_else(|| "unknown".into()))
}

/// The version in a file name such as `libonnxruntime.so.1.31.1` or `libonnxruntime.1.31.1.dylib`.
fn version_in_name(library: &Path) -> Option<String> {
    let name = library.file_name()?.to_str()?.trim_end_matches(".dylib");
    let version = name.find(|c: char| c.is_ascii_digit()).map(|at| &name[at..])?;
    version.chars().all(|c| c.is_ascii_digit() || c == '.').then(|| version.to_owned())
}

fn version_in_build_info(info: &str) -> Option<String> {
    let at = info.find("git-branch=")? + "git-branch=".len();
    let branch = info[at..].split([',', ' ']).next()?.trim_start_matches("rel-");
    (!branch.is_empty()).then(|| branch.to_owned())
}

/// The execution providers of the loaded runtime, preferred ones first.
pub fn available_providers() -> Result<Vec<String>> {
    runtime()?;
    let mut names = Vec::new();
    add_if_available::<ort::ep::TensorRT>(&mut names);
    add_if_available::<ort::ep::CUDA>(&mut names);
    add_if_available::<ort::ep::OpenVINO>(&mut names);
    add_if_available::<ort::ep::CPU>(&mut names);
    Ok(names)
}

fn add_if_available<E: ExecutionProvider>(names: &mut Vec<String>) {
    if E::is_available().unwrap_or(false) {
        names.push(E::NAME.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_names_its_version() {
        assert_eq!(version_in_name(Path::new("/a/libonnxruntime.so.1.31.1")).as_deref(), Some("1.31.1"));
        assert_eq!(version_in_name(Path::new("/a/libonnxruntime.1.31.1.dylib")).as_deref(), Some("1.31.1"));
        assert_eq!(version_in_name(Path::new("/a/libonnxruntime.so")), None);
        assert_eq!(version_in_build_info("ORT Build Info: git-branch=rel-1.31.1, x").as_deref(), Some("1.31.1"));
    }

    #[test]
    fn a_missing_library_names_the_package() {
        let message = missing("x").to_string();
        assert!(message.contains("pip install onnxruntime"), "{message}");
    }

    #[test]
    fn the_loaded_runtime_has_a_version_and_a_cpu() {
        crate::testing::use_runtime();
        assert!(runtime_version().is_ok_and(|v| v.starts_with("1.")));
        assert!(available_providers().is_ok_and(|p| p.contains(&"CPUExecutionProvider".to_owned())));
    }
}
