//! The imports that a generated module needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mmlrs_core::ParamSpec;

use crate::types::{accepted, held, returned};

/// The words that occur in annotations and the modules that define them.
const WORDS: &[(&str, &str)] = &[
    ("Any", "typing"),
    ("Callable", "collections.abc"),
    ("Literal", "typing"),
    ("Mapping", "collections.abc"),
    ("ModelHandle", "mmlrs.models"),
    ("ModelLike", "mmlrs.models"),
    ("NetworkLike", "mmlrs.params"),
    ("ParamSpace", SPACES),
    ("Params", "mmlrs._pyspark"),
    ("Sequence", "collections.abc"),
    ("WeightsLike", "mmlrs.params"),
];

/// The module of search spaces imports stages. Importing it for type checkers only avoids a cycle.
const SPACES: &str = "mmlrs.automl.spaces";

/// Names by module, and statements for type checkers only.
#[derive(Default)]
pub struct Imports {
    names: BTreeMap<&'static str, BTreeSet<String>>,
    for_types: BTreeSet<String>,
}

impl Imports {
    /// Imports names from a module.
    pub fn names(&mut self, module: &'static str, names: &[&str]) {
        self.names.entry(module).or_default().extend(names.iter().map(|&n| n.to_owned()));
    }

    /// Adds an import statement that runs for type checkers only.
    pub fn for_types(&mut self, statement: String) {
        self.for_types.insert(statement);
    }

    /// Imports what the declaration of a param needs.
    pub fn declaration(&mut self, param: &ParamSpec) {
        self.annotation(&held(param));
        self.names("mmlrs.params", &[&param.ty.name().to_uppercase(), "Param", "undefined"]);
    }

    /// Imports what the setter and the getter of a param need.
    pub fn accessors(&mut self, param: &ParamSpec) {
        self.annotation(&accepted(param));
        self.annotation(&returned(param));
        self.names("mmlrs._typing", &["Self"]);
    }

    /// Imports the names in an annotation.
    pub fn annotation(&mut self, text: &str) {
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            if let Some((name, module)) = WORDS.iter().find(|(name, _)| *name == word) {
                self.names(module, &[name]);
            }
        }
    }

    /// The import statements, standard library first.
    pub fn text(&self) -> String {
        let standard = ["collections.abc", "typing"];
        let mut modules = self.names.clone();
        let mut for_types = self.for_types.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>();
        if let Some(names) = modules.remove(SPACES) {
            for_types.push(statement(SPACES, &names));
        }
        if !for_types.is_empty() {
            modules.entry("typing").or_default().insert("TYPE_CHECKING".to_owned());
        }
        let mut out = "from __future__ import annotations\n\n".to_owned();
        for module in standard {
            if let Some(names) = modules.remove(module) {
                out.push_str(&statement(module, &names));
            }
        }
        out.push('\n');
        for (module, names) in &modules {
            out.push_str(&statement(module, names));
        }
        if !for_types.is_empty() {
            let _ = write!(out, "\nif TYPE_CHECKING:\n    {}", for_types.join("    "));
        }
        out
    }
}

fn statement(module: &str, names: &BTreeSet<String>) -> String {
    // The order that linters expect: constants, classes, functions.
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_by_key(|n| (*n != n.to_uppercase(), n.starts_with(|c: char| c.is_lowercase()), n.to_lowercase()));
    let line = format!("from {module} import {}\n", names.join(", "));
    if line.len() <= 111 {
        return line;
    }
    let listed: Vec<String> = names.iter().map(|n| format!("    {n},\n")).collect();
    format!("from {module} import (\n{})\n", listed.concat())
}
