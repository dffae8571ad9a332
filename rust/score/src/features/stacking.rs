//! Columns and slots side by side, checked for what a learner accepts.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::Field;
use mmlrs_core::types::type_name;
use mmlrs_core::vector::{VectorBuilder, VectorRow, Vectors, is_number};
use mmlrs_core::{Error, Result, double_text};
use serde::Deserialize;

use crate::arrays::vectors_field;
use crate::features::operations::{Operation, check_operations};
use crate::numbers::Ints;
use crate::step::{Computed, Inputs, Step, check_size, usable};
use crate::vectors::fill_dense;

/// What is taken of a column.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Part {
    /// The numbers of a column; null becomes NaN.
    Numbers,
    /// Vectors of this size.
    Vectors { size: usize },
    /// Some slots of vectors of this size, in this order.
    Slots { size: usize, slots: Ints },
}

impl Part {
    fn width(&self) -> usize {
        match self {
            Self::Numbers => 1,
            Self::Vectors { size } => *size,
            Self::Slots { slots, .. } => slots.len(),
        }
    }
}

/// Numbers and vectors side by side in one dense vector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stack {
    parts: Vec<Part>,
    /// Whether NaN is accepted, and infinities.
    nan: bool,
    infinite: bool,
    /// Whether the numbers must fit single precision.
    single: bool,
    /// What is done with the numbers.
    #[serde(default)]
    operations: Vec<Operation>,
}

#[derive(Debug)]
enum Column {
    Numbers(Float64Array),
    Vectors(Box<Vectors>),
}

impl Stack {
    pub fn ready(self) -> Result<Self, String> {
        for part in &self.parts {
            if let Part::Slots { size, slots } = part
                && slots.iter().any(|slot| *slot < 0 || *slot as usize >= *size)
            {
                return Err("it selects a slot that does not exist".to_owned());
            }
        }
        check_operations(&self.operations, self.width())?;
        if self.parts.is_empty() { Err("it has no columns".to_owned()) } else { Ok(self) }
    }

    fn width(&self) -> usize {
        self.parts.iter().map(Part::width).sum()
    }

    /// Why a number is not accepted.
    fn flaw(&self, value: f64) -> Option<String> {
        if value.is_nan() {
            return (!self.nan).then(|| "a missing value or NaN, which the fitted stage does not accept".to_owned());
        }
        let large = self.single && value.abs() > f64::from(f32::MAX);
        if value.is_infinite() && (large || !self.infinite) {
            return Some(format!("the value {}; the fitted stage needs finite numbers", double_text(value)));
        }
        large.then(|| format!("the value {}, which is too large for single precision", double_text(value)))
    }

    /// Appends what is taken of a row of a column.
    fn take(
        &self,
        part: &Part,
        column: &Column,
        row: usize,
        out: &mut Vec<f64>,
        scratch: &mut Vec<f64>,
    ) -> Result<(), String> {
        let start = out.len();
        match (part, column) {
            (_, Column::Numbers(numbers)) => {
                let value = if numbers.is_null(row) { f64::NAN } else { numbers.value(row) };
                out.push(value);
                return self.flaw(value).map_or(Ok(()), |flaw| Err(format!("has {flaw}")));
            }
            (Part::Slots { size, slots }, Column::Vectors(vectors)) => {
                let vector = usable(vectors, row)?;
                check_size(vector, *size)?;
                fill_dense(vector, scratch);
                out.extend(slots.iter().map(|slot| scratch[*slot as usize]));
            }
            (part, Column::Vectors(vectors)) => {
                let vector = usable(vectors, row)?;
                check_size(vector, part.width())?;
                if let VectorRow::Dense(values) = vector {
                    out.extend_from_slice(values);
                } else {
                    fill_dense(vector, scratch);
                    out.extend_from_slice(scratch);
                }
            }
        }
        let slot = |place: usize| match part {
            Part::Slots { slots, .. } => slots[place] as usize,
            _ => place,
        };
        if self.nan && self.infinite && !self.single {
            return Ok(());
        }
        let mut flaws = out[start..].iter().enumerate();
        flaws
            .find_map(|(place, value)| self.flaw(*value).map(|flaw| Err(format!("has in slot {} {flaw}", slot(place)))))
            .unwrap_or(Ok(()))
    }
}

impl Step for Stack {
    fn arity(&self) -> Option<usize> {
        Some(self.parts.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        for (part, field) in self.parts.iter().zip(inputs) {
            if matches!(part, Part::Numbers) && !is_number(field.data_type()) {
                let message = format!("has type {}; expected numbers", type_name(field.data_type()));
                return Err(Error::schema(field.name(), message));
            }
        }
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.width()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let column = |(place, part): (usize, &Part)| {
            Ok(match part {
                Part::Numbers => Column::Numbers(rows.doubles(place)?),
                _ => Column::Vectors(Box::new(rows.vectors(place)?)),
            })
        };
        let columns: Vec<Column> = self.parts.iter().enumerate().map(column).collect::<Result<_>>()?;
        rows.by_pieces(|range, piece| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let (mut values, mut scratch) = (Vec::with_capacity(self.width()), Vec::new());
            for row in range {
                values.clear();
                let flaw = self.parts.iter().zip(&columns).enumerate().find_map(|(place, (part, column))| {
                    self.take(part, column, row, &mut values, &mut scratch).err().map(|cause| (place, cause))
                });
                if let Some(flaw) = flaw {
                    piece.reject(row, flaw)?;
                    out.push_null();
                } else {
                    self.operations.iter().for_each(|operation| operation.apply(&mut values));
                    out.push_dense(&values);
                }
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_accepted_are_named() -> Result<(), serde_json::Error> {
        let stack = |json| serde_json::from_value::<Stack>(json);
        let parts = serde_json::json!([{"kind": "numbers"}]);
        let strict = stack(serde_json::json!({"parts": parts, "nan": false, "infinite": false, "single": true}))?;
        assert!(strict.flaw(f64::NAN).is_some() && strict.flaw(f64::INFINITY).is_some());
        assert!(strict.flaw(1e39).is_some() && strict.flaw(1e38).is_none());
        let lax = stack(serde_json::json!({"parts": parts, "nan": true, "infinite": true, "single": false}))?;
        assert!([f64::NAN, f64::INFINITY, 1e300].iter().all(|value| lax.flaw(*value).is_none()));
        Ok(())
    }
}
