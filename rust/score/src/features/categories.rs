//! Categories as indices, and indices as indicator vectors.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{Array, ArrayRef};
use arrow_schema::Field;
use foldhash::fast::FixedState;
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{Result, double_text};
use serde::Deserialize;

use crate::arrays::{nominal_field, texts, vectors_field};
use crate::step::{Computed, Inputs, Step};

/// The index of each string among the labels of its column, as `StringIndexerModel` computes it. Numbers are read as text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexStrings {
    /// The labels of each column.
    labels: Vec<Vec<String>>,
    /// Whether null and unknown strings have the index after the last label.
    keep: bool,
    #[serde(skip)]
    places: Vec<HashMap<String, u32, FixedState>>,
}

impl IndexStrings {
    pub fn ready(mut self) -> Result<Self, String> {
        self.places = self
            .labels
            .iter()
            .map(|labels| labels.iter().enumerate().map(|(i, label)| (label.clone(), i as u32)).collect())
            .collect();
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
        let columns: Vec<_> =
            (0..rows.arrays.len()).map(|i| texts(&rows.names[i], &rows.arrays[i])).collect::<Result<_>>()?;
        rows.by_pieces(|range, piece| {
            let mut indices = Vec::with_capacity(columns.len());
            for (column, (texts, places)) in columns.iter().zip(&self.places).enumerate() {
                let mut out = Float64Builder::with_capacity(range.len());
                for row in range.clone() {
                    let text = (!texts.is_null(row)).then(|| texts.value(row));
                    match text.and_then(|text| places.get(text)) {
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
                    let category = if indices.is_null(row) {
                        Err("is null".to_owned())
                    } else {
                        self.category(indices.value(row), *size)
                    };
                    match category {
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
