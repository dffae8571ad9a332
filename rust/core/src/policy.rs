//! The handling of rows that cannot be processed.

use crate::{Error, Result};

/// The user's choice for rows that cannot be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HandleInvalid {
    /// The job fails with one error that names stage, column, row and cause.
    #[default]
    Error,
    /// The row is dropped.
    Skip,
    /// The row stays with a null result.
    Keep,
}

/// The row policy of a stage: the params `handleInvalid` and `errorCol`, identical on every stage that can meet a bad row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowPolicy {
    /// What to do with a row that cannot be processed.
    pub handle_invalid: HandleInvalid,
    /// Column that receives the reason as a string, null for good rows.
    pub error_col: Option<String>,
}

/// The error of a row that ends the job, under [`HandleInvalid::Error`].
pub fn fatal(error: Error, row: usize) -> Error {
    error.at_row(row).with_remedy("handleInvalid=\"skip\" drops such rows")
}

/// A row that became null, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// 0-based row in the batch.
    pub row: usize,
    /// The cause and, where known, the origin.
    pub reason: String,
}

/// Collects the rows that a stage could not process, or stops at the first one, depending on the policy.
#[derive(Debug)]
pub struct Rejects {
    policy: HandleInvalid,
    rows: Vec<RowError>,
}

impl Rejects {
    /// An empty collection for a policy.
    pub fn new(policy: HandleInvalid) -> Self {
        Self { policy, rows: Vec::new() }
    }

    /// Records that `row` failed. Under [`HandleInvalid::Error`] it returns the error.
    pub fn reject(&mut self, row: usize, error: Error) -> Result<()> {
        if self.policy == HandleInvalid::Error {
            return Err(fatal(error, row));
        }
        self.rows.push(RowError { row, reason: error.reason() });
        Ok(())
    }

    /// Like [`Self::reject`], for a stage that reads several columns: the reason names the column.
    pub fn reject_cell(&mut self, row: usize, column: &str, cause: &str) -> Result<()> {
        match self.policy {
            HandleInvalid::Error => self.reject(row, Error::decode(cause).at_column(column)),
            HandleInvalid::Skip | HandleInvalid::Keep => {
                self.reject(row, Error::decode(format!("column `{column}`: {cause}")))
            }
        }
    }

    /// The rows in row order.
    pub fn into_rows(mut self) -> Vec<RowError> {
        self.rows.sort_by_key(|r| r.row);
        self.rows.dedup_by_key(|r| r.row);
        self.rows
    }
}
