//! Runs mini-batches: rows of the same shape run together, and each result is stored at its row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use mmlrs_core::{Error, ErrorKind, HandleInvalid, Rejects, Result, ThreadBudget, fatal};
use ort::session::{SessionInputValue, SessionOutputs};

use crate::graph::info::ValueInfo;
use crate::graph::prepared::{Batch, Prepared};
use crate::runtime::session::{Feed, LoadedModel, RunLimits};
use crate::tensor::input::InputColumn;
use crate::tensor::output::Collected;

/// A prepared model with its session and the limits of a run.
pub struct Runner<'a> {
    /// The model.
    pub prepared: &'a Prepared,
    /// Its session.
    pub model: Arc<LoadedModel>,
    /// Maximum number of rows of a run.
    pub mini_batch: usize,
    /// Maximum bytes of one input of a run.
    pub max_bytes: usize,
    /// Maximum seconds of a run.
    pub max_seconds: Option<f64>,
    /// The thread budget of the run.
    pub threads: ThreadBudget,
    /// The policy for rows that the model cannot process.
    pub policy: HandleInvalid,
}

impl Runner<'_> {
    /// The number of rows of a run, given the maximum bytes of a row for one input: the mini-batch as far as the limit allows,
    /// or the fixed batch of the graph.
    pub fn batch_rows(&self, row_bytes: usize) -> Result<usize> {
        let min_rows = if let Batch::Fixed(n) = self.prepared.batch { n.max(1) } else { 1 };
        if min_rows.checked_mul(row_bytes.max(1)).is_none_or(|bytes| bytes > self.max_bytes) {
            let rows = if min_rows == 1 { "a row".to_owned() } else { format!("the model's batch of {min_rows} rows") };
            return Err(Error::limit(format!(
                "{rows} has {min_rows} x {row_bytes} bytes for one input, more than maxTensorBytes={}",
                self.max_bytes
            )));
        }
        Ok(match self.prepared.batch {
            Batch::Dynamic => self.mini_batch.clamp(1, self.max_bytes / row_bytes.max(1)),
            Batch::Fixed(_) => min_rows,
        })
    }

    /// The rows of a run, padded with copies of the last one if the graph has a fixed batch.
    pub fn padded(&self, rows: &[usize]) -> Vec<usize> {
        let mut padded = rows.to_vec();
        if let (Batch::Fixed(n), Some(last)) = (self.prepared.batch, rows.last()) {
            padded.resize(n.max(rows.len()), *last);
        }
        padded
    }

    /// Runs the model once, within the limits, on `rows` rows and passes the outputs to `read`.
    pub fn execute(
        &self,
        feeds: Vec<Feed<'_>>,
        rows: usize,
        read: impl FnOnce(&SessionOutputs<'_>) -> Result<()>,
    ) -> Result<()> {
        self.model.run(feeds, rows, RunLimits { threads: self.threads, seconds: self.max_seconds }, read)
    }

    /// Whether the run of these rows succeeded. If not, they run one at a time: one row may spoil a whole run, or the graph may
    /// work for one row at a time only, contrary to its declaration. A run that exceeds a limit is not repeated if it is an
    /// error anyway.
    pub fn went_well(&self, run: Result<()>, rows: &[usize]) -> Result<bool> {
        self.threads.check()?;
        match (run, rows) {
            (Err(error), _) if self.policy != HandleInvalid::Error || error.kind() != ErrorKind::LimitExceeded => {
                Ok(false)
            }
            (Err(error), [row]) => Err(fatal(error, *row)),
            (Err(error), _) => Err(error),
            (Ok(()), _) => Ok(true),
        }
    }

    /// Runs the model over the valid rows of `inputs` and rejects the others.
    pub fn run(&self, inputs: &[(String, String, InputColumn)], rows: usize) -> Result<(Vec<Collected>, Rejects)> {
        let mut rejects = Rejects::new(self.policy);
        let outputs = &self.prepared.info.outputs;
        let mut collected: Vec<Collected> = outputs.iter().map(|o| Collected::new(o, rows)).collect::<Result<_>>()?;
        // A graph may work for one row at a time only, contrary to its declaration. The first failure shows it.
        let mut one_by_one = false;
        for group in groups(inputs, rows, &mut rejects)? {
            let row_bytes =
                group.first().map_or(0, |row| inputs.iter().map(|(.., i)| i.row_bytes(*row)).max().unwrap_or(0));
            for chunk in group.chunks(self.batch_rows(row_bytes)?) {
                self.threads.check()?;
                if !one_by_one && self.went_well(self.run_chunk(inputs, chunk, outputs, &mut collected), chunk)? {
                    continue;
                }
                let mut spoilt = false;
                for row in chunk {
                    self.threads.check()?;
                    if let Err(error) = self.run_chunk(inputs, &[*row], outputs, &mut collected) {
                        rejects.reject(*row, error)?;
                        spoilt = true;
                        for column in &mut collected {
                            column.spans[*row] = None;
                        }
                    }
                }
                one_by_one |= !spoilt && chunk.len() > 1;
            }
        }
        Ok((collected, rejects))
    }

    fn run_chunk(
        &self,
        inputs: &[(String, String, InputColumn)],
        rows: &[usize],
        outputs: &[ValueInfo],
        collected: &mut [Collected],
    ) -> Result<()> {
        let padded = self.padded(rows);
        let feeds: Vec<Feed<'_>> = inputs
            .iter()
            .map(|(name, _, input)| {
                let tensor: SessionInputValue<'_> = input.tensor(&padded)?;
                Ok((Cow::Borrowed(name.as_str()), tensor))
            })
            .collect::<Result<_>>()?;
        self.execute(feeds, rows.len(), |values| {
            for (info, column) in outputs.iter().zip(collected) {
                if let Some(value) = values.get(&info.name) {
                    column.append(value, rows, padded.len())?;
                }
            }
            Ok(())
        })
    }
}

/// Groups the valid rows by the shapes of their inputs, in the order of their first row.
fn groups(inputs: &[(String, String, InputColumn)], rows: usize, rejects: &mut Rejects) -> Result<Vec<Vec<usize>>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut group_of_shapes: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut last: (Vec<u32>, usize) = (Vec::new(), usize::MAX);
    let mut shapes: Vec<u32> = Vec::with_capacity(inputs.len());
    'rows: for row in 0..rows {
        shapes.clear();
        for (_, column, input) in inputs {
            match input.row(row) {
                Ok(span) => shapes.push(span.shape),
                Err(error) => {
                    rejects.reject(row, error.clone().at_column(column))?;
                    continue 'rows;
                }
            }
        }
        if last.1 == usize::MAX || last.0 != shapes {
            let at = *group_of_shapes.entry(shapes.clone()).or_insert(groups.len());
            if at == groups.len() {
                groups.push(Vec::new());
            }
            last = (shapes.clone(), at);
        }
        groups[last.1].push(row);
    }
    Ok(groups)
}
