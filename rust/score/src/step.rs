//! What a step implements, and the rows that it reads.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array};
use arrow_schema::Field;
use mmlrs_core::vector::{VectorBuilder, VectorRow, Vectors};
use mmlrs_core::{Context, Error, HandleInvalid, Rejects, Result, RowError, columns_in_pieces, doubles};

/// One fitted stage as a kernel.
pub trait Step: Debug + Send + Sync {
    /// Number of columns that it reads. None for any number.
    fn arity(&self) -> Option<usize>;

    /// The columns it adds, under the names of `outputs`, for input fields of these types.
    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>>;

    /// Computes these columns.
    fn run(&self, rows: &Inputs<'_>) -> Result<Computed>;
}

/// The columns of a step, and the rows that became null.
#[derive(Debug)]
pub struct Computed {
    /// One array per output column.
    pub columns: Vec<ArrayRef>,
    /// Why rows are null.
    pub invalid: Vec<RowError>,
}

/// The input columns of one batch.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Their names.
    pub names: &'a [String],
    /// Their values.
    pub arrays: Vec<ArrayRef>,
    /// Number of rows.
    pub rows: usize,
    /// The resources.
    pub cx: Context,
    /// The handling of rows that cannot be processed.
    pub policy: HandleInvalid,
}

/// Why a row cannot be processed: the number of its column, and the cause.
pub type Flaw = (usize, String);

impl Inputs<'_> {
    /// A column as vectors.
    pub fn vectors(&self, column: usize) -> Result<Vectors> {
        Vectors::from_array(&self.names[column], &self.arrays[column])
    }

    /// A column as doubles.
    pub fn doubles(&self, column: usize) -> Result<Float64Array> {
        doubles(&self.names[column], &self.arrays[column])
    }

    /// Processes the rows in pieces, in parallel within the budget. `work` returns the arrays of a piece, and rejects rows with
    /// the given function.
    pub fn by_pieces(
        &self,
        work: impl Fn(Range<usize>, &mut Piece<'_>) -> Result<Vec<ArrayRef>> + Sync + Send,
    ) -> Result<Computed> {
        let (columns, invalid) = columns_in_pieces(self.cx.threads, self.rows, self.policy, |range, rejects| {
            work(range, &mut Piece { names: self.names, policy: self.policy, rejects })
        })?;
        Ok(Computed { columns, invalid })
    }

    /// Maps each vector of the only column to a vector. A null is rejected.
    pub fn map_vectors(
        &self,
        work: impl Fn(VectorRow<'_>, &mut VectorBuilder, &mut Vec<f64>) -> Result<(), String> + Sync + Send,
    ) -> Result<Computed> {
        let vectors = self.vectors(0)?;
        self.by_pieces(|rows, piece| {
            let mut out = VectorBuilder::with_capacity(rows.len());
            let mut scratch = Vec::new();
            for row in rows {
                let done = match usable(&vectors, row) {
                    Ok(vector) => work(vector, &mut out, &mut scratch),
                    Err(cause) => Err(cause),
                };
                if let Err(cause) = done {
                    piece.reject(row, (0, cause))?;
                    out.push_null();
                }
            }
            Ok(vec![Arc::new(out.finish()?)])
        })
    }
}

/// The vector of a row, or why there is none.
pub fn usable(vectors: &Vectors, row: usize) -> Result<VectorRow<'_>, String> {
    match (vectors.row(row), vectors.gap(row)) {
        (None, _) => Err("is null".to_owned()),
        (Some(_), Some(slot)) => Err(format!("has a null in slot {slot}")),
        (Some(vector), None) => Ok(vector),
    }
}

/// The cause for a vector of another size than that of the fit.
pub fn check_size(vector: VectorRow<'_>, expected: usize) -> Result<(), String> {
    if vector.size() == expected {
        return Ok(());
    }
    Err(format!("has a vector of size {}; the fitted stage needs {expected}", vector.size()))
}

/// A piece of the rows, for rejecting some.
#[derive(Debug)]
pub struct Piece<'a> {
    names: &'a [String],
    policy: HandleInvalid,
    rejects: &'a mut Rejects,
}

/// What to do about a row that a fitted stage cannot process.
const REMEDY: &str = "fill or drop such rows first";

impl Piece<'_> {
    /// The error of a row that ends the work under every policy.
    pub fn error(&self, row: usize, (column, cause): Flaw) -> Error {
        Error::decode(cause).at_column(&self.names[column]).at_row(row)
    }

    /// Rejects a row, or returns its error, depending on the policy.
    pub fn reject(&mut self, row: usize, (column, cause): Flaw) -> Result<()> {
        let name = &self.names[column];
        if self.names.len() == 1 || self.policy == HandleInvalid::Error {
            // The policy of a fitted stage cannot be changed any more.
            return self.rejects.reject(row, Error::decode(cause).at_column(name).with_remedy(REMEDY));
        }
        self.rejects.reject_cell(row, name, &cause)
    }
}
