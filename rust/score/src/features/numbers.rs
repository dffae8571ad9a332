//! Columns of numbers: missing values, buckets, and columns side by side.

use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_cast::cast;
use arrow_schema::{DataType, Field};
use mmlrs_core::types::type_name;
use mmlrs_core::vector::{VectorBuilder, is_number};
use mmlrs_core::{Error, HandleInvalid, Result, double_text};
use serde::Deserialize;

use crate::arrays::{nominal_field, vectors_field};
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step};

/// Fills missing values of columns, as `ImputerModel` does. A column keeps its type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Impute {
    /// What a missing value becomes, for each column.
    surrogates: Floats,
    /// The value that counts as missing, besides null. A list of one number, which may be NaN.
    missing: Floats,
}

impl Step for Impute {
    fn arity(&self) -> Option<usize> {
        Some(self.surrogates.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        inputs
            .iter()
            .zip(outputs)
            .map(|(field, name)| {
                if !is_number(field.data_type()) {
                    let message = format!("has type {}; expected numbers", type_name(field.data_type()));
                    return Err(Error::schema(field.name(), message));
                }
                let kind = if field.data_type() == &DataType::Null { &DataType::Float64 } else { field.data_type() };
                Ok(Field::new(name, kind.clone(), true))
            })
            .collect()
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let missing = self.missing.first().copied().unwrap_or(f64::NAN);
        let is_missing = |value: f64| value == missing || (value.is_nan() && missing.is_nan());
        let mut columns = Vec::with_capacity(rows.arrays.len());
        for (column, surrogate) in self.surrogates.iter().enumerate() {
            let numbers = rows.doubles(column)?;
            let filled: Float64Array =
                numbers.iter().map(|value| value.filter(|value| !is_missing(*value)).unwrap_or(*surrogate)).collect();
            let filled: ArrayRef = Arc::new(filled);
            let kind = rows.arrays[column].data_type();
            let exact = matches!(kind, DataType::Float64 | DataType::Null);
            columns.push(if exact { filled } else { self.refilled(rows, column, &filled)? });
        }
        Ok(Computed { columns, invalid: Vec::new() })
    }
}

impl Impute {
    /// The filled values in the type of the column. Large integers do not pass through doubles.
    fn refilled(&self, rows: &Inputs<'_>, column: usize, filled: &ArrayRef) -> Result<ArrayRef> {
        let array = &rows.arrays[column];
        let narrow = cast(filled, array.data_type())?;
        if !array.data_type().is_integer() {
            return Ok(narrow);
        }
        let missing = self.missing.first().copied().unwrap_or(f64::NAN);
        let numbers = rows.doubles(column)?;
        let keep: arrow_array::BooleanArray =
            numbers.iter().map(|value| Some(value.is_some_and(|value| value != missing))).collect();
        Ok(arrow_select::zip::zip(&keep, array, &narrow)?)
    }
}

/// The bucket of each number, as `Bucketizer` computes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucketize {
    /// The ascending borders of the buckets of each column.
    splits: Vec<Floats>,
    /// Whether NaN has the bucket after the last one.
    keep: bool,
}

impl Bucketize {
    pub fn ready(self) -> Result<Self, String> {
        if self.splits.is_empty() || self.splits.iter().any(|s| s.len() < 2) {
            return Err("a column has fewer than two borders of buckets".to_owned());
        }
        Ok(self)
    }

    /// The bucket of a number, or why it has none: NaN is subject to the row policy, a number outside the buckets is not.
    fn bucket(&self, value: f64, splits: &[f64]) -> Result<Option<f64>, String> {
        let last = splits.len() - 1;
        if value.is_nan() {
            return Ok(self.keep.then_some(last as f64));
        }
        if value == splits[last] {
            return Ok(Some((last - 1) as f64));
        }
        // Java's binary search, in which -0.0 is below 0.0.
        match splits.binary_search_by(|split| split.total_cmp(&value)) {
            Ok(place) => Ok(Some(place as f64)),
            Err(place) if place == 0 || place > last => Err(format!(
                "has the value {}, which is outside the buckets from {} to {}",
                double_text(value),
                double_text(splits[0]),
                double_text(splits[last])
            )),
            Err(place) => Ok(Some((place - 1) as f64)),
        }
    }
}

impl Step for Bucketize {
    fn arity(&self) -> Option<usize> {
        Some(self.splits.len())
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let names = |splits: &[f64]| {
            let pair = |w: &[f64]| format!("{}, {}", double_text(w[0]), double_text(w[1]));
            let mut names: Vec<String> = splits.windows(2).map(pair).collect();
            names.extend(self.keep.then(|| "NaN".to_owned()));
            names
        };
        Ok(self.splits.iter().zip(outputs).map(|(splits, name)| nominal_field(name, &names(splits))).collect())
    }

    /// A null has no bucket: it stays null, or the row is dropped.
    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let columns: Vec<_> = (0..rows.arrays.len()).map(|i| rows.doubles(i)).collect::<Result<_>>()?;
        let skips = rows.policy == HandleInvalid::Skip;
        rows.by_pieces(|range, piece| {
            let mut buckets = Vec::with_capacity(columns.len());
            for (column, (numbers, splits)) in columns.iter().zip(&self.splits).enumerate() {
                let mut out = Float64Builder::with_capacity(range.len());
                for row in range.clone() {
                    let value = (!numbers.is_null(row)).then(|| numbers.value(row));
                    let bucket = value.map(|value| self.bucket(value, splits)).transpose();
                    let bucket = bucket.map_err(|cause| piece.error(row, (column, cause)))?.flatten();
                    if bucket.is_none() && (value.is_some() || skips) {
                        let cause = if value.is_some() { "is NaN, which is in no bucket" } else { "is null" };
                        piece.reject(row, (column, cause.to_owned()))?;
                    }
                    out.append_option(bucket);
                }
                buckets.push(Arc::new(out.finish()) as ArrayRef);
            }
            Ok(buckets)
        })
    }
}

/// Columns of numbers side by side in one dense vector, with NaN for null.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackNumbers {}

impl Step for StackNumbers {
    fn arity(&self) -> Option<usize> {
        None
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        for field in inputs.iter().filter(|field| !is_number(field.data_type())) {
            let message = format!("has type {}; expected numbers", type_name(field.data_type()));
            return Err(Error::schema(field.name(), message));
        }
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(inputs.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let columns: Vec<_> = (0..rows.arrays.len()).map(|i| rows.doubles(i)).collect::<Result<_>>()?;
        rows.by_pieces(|range, _| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let mut values = vec![0.0; columns.len()];
            for row in range {
                for (slot, column) in values.iter_mut().zip(&columns) {
                    *slot = if column.is_null(row) { f64::NAN } else { column.value(row) };
                }
                out.push_dense(&values);
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}
