//! The form in which a program is sent from the driver to the workers: JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Native stages bound to source columns, and the values to compute. Nodes refer only to nodes before them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// Number of source columns.
    pub sources: usize,
    /// The stages, each after its inputs.
    pub nodes: Vec<NodeSpec>,
    /// The values to compute.
    pub outputs: Vec<Ref>,
}

/// One stage of a program.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// The name of the class.
    pub stage: String,
    /// The uid, which is part of default output column names.
    pub uid: String,
    /// The params: a JSON object, serialized.
    pub params: String,
    /// The source of each column that the stage reads, by the stage's name for it.
    pub inputs: BTreeMap<String, Ref>,
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ref {
    /// The n-th source column.
    Source(usize),
    /// A column of the n-th node.
    Column(usize, String),
    /// The reasons why rows of the n-th node are null: strings, null for good rows.
    Errors(usize),
    /// The mask of the n-th node: false for rows that its policy drops.
    Mask(usize),
}

impl Ref {
    /// The node that computes it; None for a source column.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Source(_) => None,
            Self::Column(node, _) | Self::Errors(node) | Self::Mask(node) => Some(*node),
        }
    }
}
