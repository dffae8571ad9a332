//! Categories as indices, and indices as indicator vectors.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::{DataType, Field};
use foldhash::fast::FixedState;
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{Result, double_text, doubles};
use serde::Deserialize;

use crate::arrays::{nominal_field, texts, vectors_field};
use crate::step::{Computed, Inputs, Step};

/// The index of each string among the labels of its column, as `StringIndexerModel` computes it. A number has the label that
/// is its text, or else the label that has its value: the text of a number depends on its type and on the version of Java.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexStrings {
    /// The labels of each column.
    labels: Vec<Vec<String>>,
    /// Whether null and unknown strings have the index after the last label.
    keep: bool,
    #[serde(skip)]
    places: Vec<HashMap<String, u32, FixedState>>,
    #[serde(skip)]
    numbers: Vec<ByValue>,
}

/// The bits that identify a number. All NaN are one.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

/// The indices of labels that are numbers, by the bits of their value in double and in single precision.
#[derive(Debug, Default)]
struct ByValue {
    double: HashMap<u64, u32, FixedState>,
    single: HashMap<u64, u32, FixedState>,
}

impl ByValue {
    /// Of two labels with one value the first counts.
    fn new(labels: &[String]) -> Self {
        let mut by_value = Self::default();
        for (label, index) in labels.iter().zip(0..) {
            if let (Ok(double), Ok(single)) = (label.parse(), label.parse::<f32>()) {
                by_value.double.entry(bits(double)).or_insert(index);
                by_value.single.entry(bits(f64::from(single))).or_insert(index);
            }
        }
        by_value
    }
}

/// The values of a column of numbers, by which labels are found if no label is their text.
fn values_of(column: &str, array: &ArrayRef) -> Result<Option<Float64Array>> {
    if array.data_type().is_numeric() { doubles(column, array).map(Some) } else { Ok(None) }
}

impl IndexStrings {
    pub fn ready(mut self) -> Result<Self, String> {
        self.places = self
            .labels
            .iter()
            .map(|labels| labels.iter().enumerate().map(|(i, label)| (label.clone(), i as u32)).collect())
            .collect();
        self.numbers = self.labels.iter().map(|labels| ByValue::new(labels)).collect();
        if self.labels.is_empty() { Err("it has no labels".to_owned()) } else { Ok(self) }
    }
}

impl Step for IndexStrings {
    fn arity(&self) -> Option<usize> {
        Some(self.labels.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        for field in inputs {
            texts(field.name(), &arrow_array::new_empty_array(field.data_type()))?;
        }
        let field = |(labels, name): (&Vec<String>, &String)| {
            let mut values = labels.clone();
            values.extend(self.keep.then(|| "__unknown".to_owned()));
            nominal_field(name, &values)
        };
        Ok(self.labels.iter().zip(outputs).map(field).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let columns: Vec<_> = (0..rows.arrays.len())
            .map(|i| {
                let texts = texts(&rows.names[i], &rows.arrays[i])?;
                let values = values_of(&rows.names[i], &rows.arrays[i])?;
                Ok((texts, values))
            })
            .collect::<Result<_>>()?;
        rows.by_pieces(|range, piece| {
            let mut indices = Vec::with_capacity(columns.len());
            for (column, ((texts, values), places)) in columns.iter().zip(&self.places).enumerate() {
                let numbers = &self.numbers[column];
                let is_single = rows.arrays[column].data_type() == &DataType::Float32;
                let by_bits = if is_single { &numbers.single } else { &numbers.double };
                let of_value = |row: usize| {
                    let values = values.as_ref().filter(|values| values.is_valid(row))?;
                    by_bits.get(&bits(values.value(row)))
                };
                let mut out = Float64Builder::with_capacity(range.len());
                for row in range.clone() {
                    let text = (!texts.is_null(row)).then(|| texts.value(row));
                    match text.and_then(|text| places.get(text).or_else(|| of_value(row))) {
                        Some(index) => out.append_value(f64::from(*index)),
                        None if self.keep => out.append_value(places.len() as f64),
                        None => {
                            let cause = text.map_or_else(
                                || "is null".to_owned(),
                                |text| format!("has the value \"{text:.100}\", which did not occur in the fit"),
                            );
                            piece.reject(row, (column, cause))?;
                            out.append_null();
                        }
                    }
                }
                indices.push(Arc::new(out.finish()) as ArrayRef);
            }
            Ok(indices)
        })
    }
}

/// Indicator vectors of indices, as `OneHotEncoderModel` computes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHot {
    /// Number of categories of each column.
    sizes: Vec<usize>,
    drop_last: bool,
    /// Whether an index that is not a category is a category of its own, the last one.
    keep: bool,
}

impl OneHot {
    pub fn ready(self) -> Result<Self, String> {
        if self.sizes.iter().any(|size| i32::try_from(size + 1).is_err()) {
            return Err("it has too many categories".to_owned());
        }
        Ok(self)
    }

    fn slots(&self, size: usize) -> usize {
        (size + usize::from(self.keep)).saturating_sub(usize::from(self.drop_last))
    }

    /// The category of an index, or why it has none. A fraction is cut off, as in Spark.
    fn category(&self, index: f64, size: usize) -> Result<usize, String> {
        if index >= 0.0 && index < size as f64 {
            return Ok(index as usize);
        }
        if self.keep {
            return Ok(size);
        }
        Err(format!("has the value {}, which is not an index from 0 to {}", double_text(index), size.wrapping_sub(1)))
    }
}

impl Step for OneHot {
    fn arity(&self) -> Option<usize> {
        Some(self.sizes.len())
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(self.sizes.iter().zip(outputs).map(|(size, name)| vectors_field(name, Some(self.slots(*size)))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let columns: Vec<_> = (0..rows.arrays.len()).map(|i| rows.doubles(i)).collect::<Result<_>>()?;
        rows.by_pieces(|range, piece| {
            let mut encoded = Vec::with_capacity(columns.len());
            for (column, (indices, size)) in columns.iter().zip(&self.sizes).enumerate() {
                let slots = self.slots(*size);
                let mut out = VectorBuilder::with_capacity(range.len());
                for row in range.clone() {
                    if indices.is_null(row) {
                        // As in Spark, a null stays null.
                        out.push_null();
                        continue;
                    }
                    match self.category(indices.value(row), *size) {
                        Ok(category) if category < slots => out.push_sparse(slots, &[category as i32], &[1.0]),
                        Ok(_) => out.push_sparse(slots, &[], &[]),
                        Err(cause) => {
                            piece.reject(row, (column, cause))?;
                            out.push_null();
                        }
                    }
                }
                encoded.push(Arc::new(out.finish()?) as ArrayRef);
            }
            Ok(encoded)
        })
    }
}
