//! Runs two synthetic rows separately and together, to determine which axis of each output is the batch, if any.

use ort::session::Session;

use super::probe::{self, Probed};
use crate::graph::info::ModelInfo;

/// The result of running two rows together, for one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputTrial {
    /// The results of the rows are side by side along this axis.
    Axis { axis: usize, rank: usize },
    /// The shape fits along this axis, but a row's result depends on the other row.
    Mixed { axis: usize, rank: usize },
    /// No axis has one entry per row. Holds the shapes for one row and for two.
    NoBatch { one: Vec<i64>, two: Vec<i64> },
    /// The output is not numeric.
    Opaque,
}

/// The result of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// Even a single synthetic row fails.
    Unknown,
    /// One row runs, but two rows together fail. Holds the shapes for one row.
    OneOnly(Vec<Option<Vec<i64>>>),
    /// Both runs succeed.
    Ran(Vec<OutputTrial>),
}

impl Trial {
    /// Whether every output has a batch axis.
    pub fn is_good(&self) -> bool {
        let good = |output: &OutputTrial| matches!(output, OutputTrial::Axis { .. } | OutputTrial::Opaque);
        matches!(self, Self::Ran(outputs) if outputs.iter().all(good))
    }
}

/// Tries a model whose inputs have the batch first. `exact` states that its values depend on their row alone.
pub fn trial(session: &mut Session, info: &ModelInfo, exact: bool) -> Trial {
    let mut run = |rows: &[usize]| probe::run_rows(session, info, rows).ok();
    let (Some(first), Some(second)) = (run(&[0]), run(&[1])) else { return Trial::Unknown };
    let Some(both) = run(&[0, 1]) else {
        return Trial::OneOnly(first.into_iter().map(|p| p.ok().map(|p| p.shape)).collect());
    };
    let compared = |exact: bool| -> Vec<OutputTrial> {
        let outputs = first.iter().zip(&second).zip(&both).map(|((a, b), both)| match (a, b, both) {
            (Ok(a), Ok(b), Ok(both)) => compare(a, b, both, exact),
            _ => OutputTrial::Opaque,
        });
        outputs.collect()
    };
    let outputs = compared(exact);
    if exact && outputs.iter().any(|output| matches!(output, OutputTrial::Mixed { .. })) {
        // A model that draws random numbers cannot be compared by its values.
        let again = run(&[0]).unwrap_or_default();
        let same = |(a, b): (&_, &_)| matches!((a, b), (Ok(a), Ok(b)) if Probed::close_to(a, b));
        if !first.iter().zip(&again).filter(|(a, _)| a.is_ok()).all(same) {
            return Trial::Ran(compared(false));
        }
    }
    Trial::Ran(outputs)
}

fn compare(a: &Probed, b: &Probed, both: &Probed, exact: bool) -> OutputTrial {
    let rank = both.shape.len();
    let mut mixed = None;
    for axis in (0..rank).filter(|axis| a.shape.get(*axis) == Some(&1)) {
        let Some(joined) = joined(a, b, axis).filter(|joined| joined.shape == both.shape) else { continue };
        if !exact || joined.close_to(both) {
            return OutputTrial::Axis { axis, rank };
        }
        mixed.get_or_insert(OutputTrial::Mixed { axis, rank });
    }
    mixed.unwrap_or_else(|| OutputTrial::NoBatch { one: a.shape.clone(), two: both.shape.clone() })
}

/// Two results joined along an axis; `None` if their shapes differ.
fn joined(a: &Probed, b: &Probed, axis: usize) -> Option<Probed> {
    if a.shape != b.shape {
        return None;
    }
    let inner: usize = a.shape.get(axis..)?.iter().map(|d| *d as usize).product();
    let mut joined = a.clone();
    *joined.shape.get_mut(axis)? *= 2;
    let parts = a.values.chunks(inner.max(1)).zip(b.values.chunks(inner.max(1)));
    joined.values = parts.flat_map(|(a, b)| a.iter().chain(b)).copied().collect();
    Some(joined)
}
