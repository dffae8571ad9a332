//! Counts of a process's expensive operations, so that tests can check that they happen once.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counted operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Images decoded from encoded bytes.
    ImageDecodes,
    /// Model files parsed into a session.
    ModelLoads,
    /// Calls of the model runtime.
    ModelRuns,
    /// Rows that went through the model runtime.
    ModelRows,
    /// Program runs (one per batch and output column).
    ProgramRuns,
    /// Stages built from their params in order to run.
    StageBuilds,
    /// Plans of a stage for the types of its input columns.
    Plans,
}

const NAMES: [&str; 7] =
    ["image_decodes", "model_loads", "model_runs", "model_rows", "program_runs", "stage_builds", "plans"];
static VALUES: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

impl Counter {
    /// Adds `n`.
    pub fn add(self, n: u64) {
        VALUES[self as usize].fetch_add(n, Ordering::Relaxed);
    }
}

/// Every counter of this process by name.
pub fn counters() -> Vec<(&'static str, u64)> {
    NAMES.iter().zip(&VALUES).map(|(name, value)| (*name, value.load(Ordering::Relaxed))).collect()
}

/// Sets every counter to zero.
pub fn reset_counters() {
    for value in &VALUES {
        value.store(0, Ordering::Relaxed);
    }
}
