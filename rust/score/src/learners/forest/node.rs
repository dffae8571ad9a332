//! One node of a tree, and how it chooses a branch.

use serde::Deserialize;

/// Set in the feature of a leaf.
pub const LEAF: u32 = 1 << 31;

/// One node. The right child follows the left one. A leaf leads to itself.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    pub threshold: f64,
    pub feature: u32,
    pub left: u32,
}

/// How a number chooses a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Left if it is at most the threshold.
    AtMost,
    /// Left if it is below the threshold.
    Below,
}
