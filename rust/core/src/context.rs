//! What a run may use.

use crate::ThreadBudget;

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Threads for decoding and for the model runtime.
    pub threads: ThreadBudget,
}
