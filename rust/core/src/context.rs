//! The resources of a run.

use crate::ThreadBudget;

/// The resources of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Threads for decoding and for the model runtime.
    pub threads: ThreadBudget,
}
