//! The location of ONNX Runtime in tests.

use std::path::{Path, PathBuf};

use mmlrs_core::{Error, Result};

/// Registers the locator of the tests: `ORT_DYLIB_PATH`, or the `.venv` at the root of the repository.
pub fn use_runtime() {
    crate::set_library_locator(Box::new(locate));
}

fn locate() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH") {
        return Ok(PathBuf::from(path));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/lib");
    in_venv(&root).ok_or_else(|| {
        Error::model("the tests need ONNX Runtime: run `make test`, which creates `.venv`, or set ORT_DYLIB_PATH")
    })
}

fn in_venv(lib: &Path) -> Option<PathBuf> {
    let pythons = std::fs::read_dir(lib).ok()?.flatten();
    let folders = pythons.map(|python| python.path().join("site-packages/onnxruntime/capi"));
    folders
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .map(|file| file.path())
        .find(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("libonnxruntime.so")))
}
