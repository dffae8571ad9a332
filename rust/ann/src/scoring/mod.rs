//! Trained networks as kernels.

pub mod classes;
pub mod values;

use std::ops::Range;

use mmlrs_core::{Error, FileSource, Rejects, Result};

use crate::features::Features;
use crate::file::Trained;
use crate::layer::Mode;
use crate::shape::Shape;

/// Number of rows that are computed at once.
const ROWS: usize = 256;
/// Maximum number of bytes between the layers, for networks whose rows are large.
const BUFFER_BYTES: usize = 64 << 20;

/// What to do about a row that a fitted network cannot process.
const REMEDY: &str = "fill or drop such rows first";

/// A trained network that computes rows.
#[derive(Debug)]
pub struct Scorer {
    trained: Trained,
    rows: usize,
}

impl Scorer {
    /// Reads the network.
    pub fn new(network: &FileSource) -> Result<Self> {
        Trained::parse(&network.read()?)
            .map(Self::of)
            .map_err(|e| Error::param("network", format!("cannot be used: {}", e.message())))
    }

    /// Reads a part of the network: the layers before `layer`, or those from it on.
    pub fn part(network: &FileSource, layer: usize, is_first: bool) -> Result<Self> {
        let part = Trained::parse_part(&network.read()?, layer, is_first);
        part.map(Self::of).map_err(|e| Error::param("network", format!("cannot be used: {}", e.message())))
    }

    fn of(trained: Trained) -> Self {
        let rows = (BUFFER_BYTES / (4 * trained.network.workspace_values(1)).max(1)).clamp(1, ROWS);
        Self { trained, rows }
    }

    /// The shape of a row of input.
    pub fn input(&self) -> Shape {
        self.trained.network.input()
    }

    /// Number of values of a row of output.
    pub fn outputs(&self) -> usize {
        self.trained.network.output().len()
    }

    /// Makes predictions of the outputs of one row.
    pub fn predict(&self, outputs: &mut [f32], scratch: &mut [f32]) {
        self.trained.network.loss().predict(outputs, outputs.len(), scratch);
    }

    /// Computes rows, and gives `take` the number of each row in the range and its outputs, or `None` for a row that is rejected.
    pub fn run(
        &self,
        column: &str,
        features: &Features,
        range: Range<usize>,
        rejects: &mut Rejects,
        mut take: impl FnMut(usize, Option<&[f32]>),
    ) -> Result<()> {
        let Trained { network, parameters } = &self.trained;
        let size = self.rows.min(range.len());
        let mut workspace = network.workspace(size);
        let mut x = Vec::with_capacity(size * self.input().len());
        let mut is_good = Vec::with_capacity(size);
        for start in range.clone().step_by(self.rows) {
            x.clear();
            is_good.clear();
            for row in start..(start + self.rows).min(range.end) {
                let read = features.push(row, &mut x)?;
                is_good.push(read.is_ok());
                if let Err(error) = read {
                    rejects.reject(row, error.at_column(column).with_remedy(REMEDY))?;
                }
            }
            let values = network.forward(parameters, &x, Mode::Scoring, &mut workspace)?;
            let mut rows = values.chunks_exact(self.outputs());
            for (place, good) in is_good.iter().enumerate() {
                take(start - range.start + place, good.then(|| rows.next()).flatten());
            }
        }
        Ok(())
    }
}
