//! A program as it travels from the driver to the workers: JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Native stages bound to source columns, and the values to compute. Nodes refer only to nodes before them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// Number of source columns.
    pub sources: usize,
    /// The stages, each after those that it reads.
    pub nodes: Vec<NodeSpec>,
    /// What to compute.
    pub outputs: Vec<Ref>,
}

/// One stage of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// The class.
    pub stage: String,
    /// The uid; default output columns carry it.
    pub uid: String,
    /// The params: a JSON object, as text.
    pub params: String,
    /// Where each column that the stage reads comes from, by the name that the stage has for it.
    pub inputs: BTreeMap<String, Ref>,
}

/// Where a value of a program comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ref {
    /// The n-th source column.
    Source(usize),
    /// A column of the n-th node.
    Column(usize, String),
    /// Why rows of the n-th node are null: text, null for good rows.
    Errors(usize),
    /// Which rows of the n-th node stay: false for rows that its policy drops.
    Mask(usize),
}

impl Ref {
    /// The node that computes it; none for a source column.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Source(_) => None,
            Self::Column(node, _) | Self::Errors(node) | Self::Mask(node) => Some(*node),
        }
    }
}
