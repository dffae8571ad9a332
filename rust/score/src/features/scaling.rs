//! Vectors scaled slot by slot or as a whole.

use arrow_array::Float64Array;
use arrow_schema::Field;
use mmlrs_core::vector::VectorRow;
use mmlrs_core::{Result, vector::is_number};
use serde::Deserialize;

use crate::arrays::{number_field, vectors_field};
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step, check_size};
use crate::vectors::{fill_dense, push_compressed};

/// `(value - shift) * scale` for each slot, as the scalers of Spark ML compute it. Without a shift sparse vectors stay sparse.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affine {
    #[serde(default)]
    shift: Option<Floats>,
    #[serde(default)]
    scale: Option<Floats>,
}

impl Affine {
    pub fn ready(self) -> Result<Self, String> {
        match (&self.shift, &self.scale) {
            (Some(shift), Some(scale)) if shift.len() != scale.len() => {
                Err("its shift and its scale have different sizes".to_owned())
            }
            _ => Ok(self),
        }
    }

    fn size(&self) -> Option<usize> {
        self.shift.as_ref().or(self.scale.as_ref()).map(|numbers| numbers.len())
    }
}

impl Step for Affine {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, self.size())).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let (shift, scale) = (self.shift.as_deref(), self.scale.as_deref());
        rows.map_vectors(|vector, out, values| {
            if let Some(size) = self.size() {
                check_size(vector, size)?;
            }
            values.clear();
            match (vector, shift) {
                (VectorRow::Sparse { size, indices, values: nonzero }, None) => {
                    let Some(scale) = scale else {
                        out.push_sparse(size, indices, nonzero);
                        return Ok(());
                    };
                    values.extend(nonzero.iter().zip(indices).map(|(value, i)| value * scale[*i as usize]));
                    out.push_sparse(size, indices, values);
                    return Ok(());
                }
                _ => fill_dense(vector, values),
            }
            if let Some(shift) = shift {
                values.iter_mut().zip(shift).for_each(|(value, shift)| *value -= shift);
            }
            if let Some(scale) = scale {
                values.iter_mut().zip(scale).for_each(|(value, scale)| *value *= scale);
            }
            out.push_dense(values);
            Ok(())
        })
    }
}

/// Slots rescaled to a range, as `MinMaxScalerModel` computes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinMax {
    /// The minimum and the maximum of each slot in the fit.
    original_min: Floats,
    original_max: Floats,
    min: f64,
    max: f64,
}

impl MinMax {
    pub fn ready(self) -> Result<Self, String> {
        let fits = self.original_min.len() == self.original_max.len();
        if fits { Ok(self) } else { Err("its minima and maxima have different sizes".to_owned()) }
    }
}

impl Step for MinMax {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.original_min.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let range = self.max - self.min;
        let constant = f64::midpoint(self.min, self.max);
        rows.map_vectors(|vector, out, values| {
            check_size(vector, self.original_min.len())?;
            fill_dense(vector, values);
            for (slot, value) in values.iter_mut().enumerate() {
                let (low, high) = (self.original_min[slot], self.original_max[slot]);
                if !value.is_nan() {
                    *value = if high == low { constant } else { (*value - low) * (range / (high - low)) + self.min };
                }
            }
            push_compressed(values, out);
            Ok(())
        })
    }
}

/// Vectors divided by their p-norm, as `Normalizer` does. The zero vector stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalize {
    /// The p of the norm, at least 1. A list of one number, which may be infinite.
    p: Floats,
}

fn norm(values: &[f64], p: f64) -> f64 {
    if p == 1.0 {
        values.iter().map(|v| v.abs()).sum()
    } else if p == 2.0 {
        values.iter().map(|v| v * v).sum::<f64>().sqrt()
    } else if p == f64::INFINITY {
        values.iter().fold(0.0, |max, v| if v.abs() > max { v.abs() } else { max })
    } else {
        values.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p)
    }
}

impl Step for Normalize {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, None)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let p = self.p.first().copied().unwrap_or(2.0);
        rows.map_vectors(|vector, out, scaled| {
            let (VectorRow::Dense(values) | VectorRow::Sparse { values, .. }) = vector;
            let norm = norm(values, p);
            scaled.clear();
            scaled.extend(values.iter().map(|value| if norm == 0.0 { *value } else { value / norm }));
            match vector {
                VectorRow::Dense(_) => out.push_dense(scaled),
                VectorRow::Sparse { size, indices, .. } => out.push_sparse(size, indices, scaled),
            }
            Ok(())
        })
    }
}

/// 1 for what is above a threshold, else 0, as `Binarizer` computes it for columns of numbers or of vectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binarize {
    /// The threshold of each column.
    thresholds: Floats,
}

impl Step for Binarize {
    fn arity(&self) -> Option<usize> {
        Some(self.thresholds.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let field = |(input, name): (&&Field, &String)| {
            if is_number(input.data_type()) { number_field(name) } else { vectors_field(name, None) }
        };
        Ok(inputs.iter().zip(outputs).map(field).collect())
    }

    /// A null in a column of numbers is not above the threshold.
    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let mut done = Computed { columns: Vec::new(), invalid: Vec::new() };
        for (column, threshold) in self.thresholds.iter().enumerate() {
            if is_number(rows.arrays[column].data_type()) {
                let numbers = rows.doubles(column)?;
                let flag = |value: Option<f64>| f64::from(u8::from(value.is_some_and(|value| value > *threshold)));
                let flags: Float64Array = numbers.iter().map(|value| Some(flag(value))).collect();
                done.columns.push(std::sync::Arc::new(flags));
                continue;
            }
            let only = Inputs {
                names: &rows.names[column..=column],
                arrays: vec![rows.arrays[column].clone()],
                rows: rows.rows,
                cx: rows.cx,
                policy: rows.policy,
            };
            let flags = only.map_vectors(|vector, out, values| {
                fill_dense(vector, values);
                for value in values.iter_mut() {
                    // Spark compares the slots that are not zero, and a threshold below zero flags the others.
                    let flag =
                        if *threshold < 0.0 { *value == 0.0 || !(*value <= *threshold) } else { *value > *threshold };
                    *value = f64::from(u8::from(flag));
                }
                push_compressed(values, out);
                Ok(())
            })?;
            done.columns.extend(flags.columns);
            done.invalid.extend(flags.invalid);
        }
        Ok(done)
    }
}
