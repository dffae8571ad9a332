//! Columns of numbers and vectors as slots of a row.

use std::borrow::Cow;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::DataType;
use mmlrs_core::vector::{Vectors, is_number, is_vector_struct};
use mmlrs_core::{Error, Result, doubles};

use crate::row::SparseRow;

/// Whether the column holds vectors or lists of numbers, rather than one number per row.
pub fn is_vector(data_type: &DataType) -> bool {
    is_vector_struct(data_type)
        || matches!(data_type, DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _)
            if is_number(item.data_type()))
}

/// The error for a list that contains a null.
pub fn null_at(slot: usize) -> String {
    format!("has a null in slot {slot}")
}

/// The error for a missing vector with too many slots to write as NaN.
pub fn too_large(size: usize) -> String {
    format!("is null; its vector of {size} slots is too large to fill with NaN")
}

/// One column of an assembled vector.
#[derive(Debug)]
pub struct Part {
    column: String,
    values: Values,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per column and batch")]
enum Values {
    Numbers(Float64Array),
    /// The vectors, and the size that missing vectors get.
    Vectors(Vectors, Option<usize>),
}

impl Part {
    /// A view of a column. Missing vectors get the `declared` size, or else that of the first vector.
    pub fn new(column: &str, array: &ArrayRef, declared: Option<usize>) -> Result<Self> {
        let untyped = array.data_type() == &DataType::Null && declared.is_some();
        let values = if untyped || is_vector(array.data_type()) {
            let vectors = Vectors::from_array(column, array)?;
            let first = || (0..vectors.len()).find_map(|row| vectors.row(row)).map(|vector| vector.size());
            let size = declared.or_else(first);
            Values::Vectors(vectors, size)
        } else {
            Values::Numbers(doubles(column, array)?)
        };
        Ok(Self { column: column.to_owned(), values })
    }

    /// The column's name.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// Appends the slots of a row, with NaN for missing ones. Returns the error if any are missing.
    #[inline]
    pub fn append(&self, row: usize, out: &mut SparseRow) -> Result<Option<Cow<'static, str>>> {
        const MISSING: Cow<'static, str> = Cow::Borrowed("is null or NaN");
        match &self.values {
            Values::Numbers(numbers) => {
                let value = if numbers.is_null(row) { f64::NAN } else { numbers.value(row) };
                out.push(value);
                Ok(value.is_nan().then_some(MISSING))
            }
            Values::Vectors(vectors, size) => {
                if let Some(vector) = vectors.row(row) {
                    out.push_vector(vector);
                    return Ok(vectors.gap(row).map(|slot| Cow::Owned(null_at(slot))));
                }
                let size = size.ok_or_else(|| {
                    Error::decode(
                        "is null in the whole batch, so the size of its vectors is unknown; set `vectorSizes`",
                    )
                    .at_column(&self.column)
                    .at_row(row)
                })?;
                Ok(Some(if out.push_missing(size) { MISSING } else { Cow::Owned(too_large(size)) }))
            }
        }
    }
}
