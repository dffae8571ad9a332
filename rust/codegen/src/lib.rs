//! The generator: writes Python classes and reference pages from the registry.

mod docstring;
mod imports;
mod mark;
mod members;
mod mixins;
mod promises;
mod python_class;
mod reference;
mod types;

use std::collections::BTreeMap;
use std::path::Path;

use mmlrs_core::StageSpec;

use mark::MARK;

/// Every generated file: its path below the repository root and its content.
pub fn files() -> BTreeMap<String, String> {
    let mut modules: BTreeMap<&str, Vec<&StageSpec>> = BTreeMap::new();
    let stages: Vec<&StageSpec> = mmlrs_registry::stages().iter().map(mmlrs_registry::Entry::spec).collect();
    for stage in &stages {
        modules.entry(stage.module).or_default().push(stage);
    }
    let mixins = mixins::Mixins::of(&stages);
    let mut files = BTreeMap::new();
    files.insert("mmlrs/_generated/shared.py".to_owned(), mixins.module());
    for (module, stages) in &modules {
        files.insert(format!("mmlrs/_generated/{module}.py"), python_class::module(module, stages, &mixins));
        files.insert(format!("docs/reference/{module}.md"), reference::page(module, stages));
    }
    files.insert("mmlrs/_generated/__init__.py".to_owned(), format!("\"\"\"Stage classes. {MARK}\"\"\"\n"));
    files.insert("docs/reference/index.md".to_owned(), reference::index(&modules));
    files
}

/// Writes the files below `root` and returns their paths. With `check`, writes nothing and returns an error if a file differs.
pub fn run(root: &Path, check: bool) -> Result<Vec<String>, String> {
    let files = files();
    let mut stale = Vec::new();
    for (path, content) in &files {
        let target = root.join(path);
        if std::fs::read_to_string(&target).is_ok_and(|old| &old == content) {
            continue;
        }
        if check {
            stale.push(path.clone());
            continue;
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|e| format!("{}: {e}", parent.display()))?;
        }
        std::fs::write(&target, content).map_err(|e| format!("{}: {e}", target.display()))?;
    }
    if stale.is_empty() {
        return Ok(files.into_keys().collect());
    }
    Err(format!("stale: {}\nrun: cargo run --release -p mmlrs-codegen", stale.join(", ")))
}
