//! Writes the Python classes and the reference pages from the registry.
//!
//! `mmlrs-codegen` writes the files. `mmlrs-codegen --check` only compares them and fails if one is stale.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let check = std::env::args().any(|a| a == "--check");
    match mmlrs_codegen::run(&root, check) {
        Ok(files) => {
            eprintln!("{} {} generated files", if check { "checked" } else { "wrote" }, files.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
