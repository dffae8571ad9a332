//! Trained networks as kernels.

pub mod classes;

use std::ops::Range;

use mmlrs_core::vector::{VectorRow, Vectors};
use mmlrs_core::{Error, FileSource, Rejects, Result};

use crate::file::Trained;
use crate::layer::Mode;

/// Number of rows that are computed at once.
const ROWS: usize = 256;

/// What to do about a row that a fitted network cannot process.
const REMEDY: &str = "fill or drop such rows first";

/// A trained network that computes rows.
#[derive(Debug)]
pub struct Scorer {
    trained: Trained,
}

impl Scorer {
    /// Reads the network.
    pub fn new(network: &FileSource) -> Result<Self> {
        let trained = Trained::parse(&network.read()?).map_err(|e| Error::param("network", e.message()))?;
        Ok(Self { trained })
    }

    /// Number of values of a row of input.
    pub fn inputs(&self) -> usize {
        self.trained.network.input().len()
    }

    /// Number of values of a row of output.
    pub fn outputs(&self) -> usize {
        self.trained.network.output().len()
    }

    /// Computes rows of vectors, and gives `take` the outputs of each, or `None` for a row that is rejected.
    pub fn run(
        &self,
        column: &str,
        vectors: &Vectors,
        range: Range<usize>,
        rejects: &mut Rejects,
        mut take: impl FnMut(Option<&[f32]>),
    ) -> Result<()> {
        let Trained { network, parameters } = &self.trained;
        let (width, outputs) = (self.inputs(), self.outputs());
        let mut workspace = network.workspace(ROWS.min(range.len()));
        let mut x = Vec::with_capacity(ROWS.min(range.len()) * width);
        let mut is_good = Vec::with_capacity(ROWS);
        let mut start = range.start;
        while start < range.end {
            let end = (start + ROWS).min(range.end);
            x.clear();
            is_good.clear();
            for row in start..end {
                let read = push_row(vectors, row, width, &mut x);
                if let Err(cause) = &read {
                    rejects.reject(row, Error::decode(cause).at_column(column).with_remedy(REMEDY))?;
                }
                is_good.push(read.is_ok());
            }
            let values = network.forward(parameters, &x, Mode::Scoring, &mut workspace)?;
            let mut rows = values.chunks_exact(outputs);
            is_good.iter().for_each(|good| take(good.then(|| rows.next()).flatten()));
            start = end;
        }
        Ok(())
    }
}

/// Appends the values of a row, or returns why it cannot be used.
pub fn push_row(vectors: &Vectors, row: usize, width: usize, x: &mut Vec<f32>) -> Result<(), String> {
    let vector = vectors.row(row).ok_or("is null")?;
    if let Some(slot) = vectors.gap(row) {
        return Err(format!("has a null in slot {slot}"));
    }
    if vector.size() != width {
        return Err(format!("has {} values; the network reads {width}", vector.size()));
    }
    let start = x.len();
    match vector {
        VectorRow::Dense(values) => x.extend(values.iter().map(|value| *value as f32)),
        VectorRow::Sparse { indices, values, .. } => {
            x.resize(start + width, 0.0);
            indices.iter().zip(values).for_each(|(slot, value)| x[start + *slot as usize] = *value as f32);
        }
    }
    if let Some(slot) = x[start..].iter().position(|value| !value.is_finite()) {
        x.truncate(start);
        return Err(format!("has NaN, an infinity or a number beyond single precision in slot {slot}"));
    }
    Ok(())
}

/// Returns an error if the column cannot hold features of that size.
pub fn check_features(name: &str, field: &arrow_schema::Field, width: usize) -> Result<()> {
    use mmlrs_core::types::{ML_ATTR_KEY, is_vector_struct, type_name};
    let kind = field.data_type();
    let lists = match kind {
        arrow_schema::DataType::List(item)
        | arrow_schema::DataType::LargeList(item)
        | arrow_schema::DataType::FixedSizeList(item, _) => item.data_type().is_numeric(),
        arrow_schema::DataType::Null => true,
        _ => false,
    };
    if !lists && !is_vector_struct(kind) {
        let message = format!("has type {}; expected vectors or lists of numbers", type_name(kind));
        return Err(Error::schema(name, message));
    }
    let declared =
        field.metadata().get(ML_ATTR_KEY).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let size = match kind {
        arrow_schema::DataType::FixedSizeList(_, size) => usize::try_from(*size).ok(),
        _ => declared.and_then(|attributes| attributes["num_attrs"].as_u64()).map(|size| size as usize),
    };
    match size {
        Some(size) if size != width => {
            Err(Error::schema(name, format!("has vectors of {size} values; the network reads {width}")))
        }
        _ => Ok(()),
    }
}
