//! Vectors of counted terms and of hashed columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, StringArray};
use arrow_schema::{DataType, Field};
use foldhash::fast::FixedState;
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::vector::{VectorBuilder, VectorRow};
use mmlrs_core::{Error, Result};
use mmlrs_text::{Slots, TextLists, is_text_list};
use serde::Deserialize;

use crate::arrays::{is_cell, texts, vectors_field};
use crate::numbers::Floats;
use crate::step::{Computed, Inputs, Step, check_size};

/// Counts of the tokens in a vocabulary, as `CountVectorizerModel` computes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountTerms {
    vocabulary: Vec<String>,
    /// Minimum count of a token in its list. Below 1 it is a share of the tokens.
    min_tf: f64,
    binary: bool,
    #[serde(skip)]
    places: HashMap<String, i32, FixedState>,
}

impl CountTerms {
    pub fn ready(mut self) -> Result<Self, String> {
        let count = i32::try_from(self.vocabulary.len()).map_err(|_| "its vocabulary is too large".to_owned())?;
        self.places = self.vocabulary.iter().cloned().zip(0..count).collect();
        Ok(self)
    }
}

impl Step for CountTerms {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        if !is_text_list(inputs[0].data_type()) {
            let message = format!("has type {}; expected array<string>", type_name(inputs[0].data_type()));
            return Err(Error::schema(inputs[0].name(), message));
        }
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.vocabulary.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let lists = TextLists::new(&rows.names[0], &rows.arrays[0])?;
        rows.by_pieces(|range, piece| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let mut found: Vec<i32> = Vec::new();
            for row in range {
                let Some(tokens) = lists.row(row) else {
                    piece.reject(row, (0, "is null".to_owned()))?;
                    out.push_null();
                    continue;
                };
                found.clear();
                let mut all = 0_usize;
                for token in tokens {
                    all += 1;
                    found.extend(token.and_then(|token| self.places.get(token.as_ref())));
                }
                found.sort_unstable();
                let least = if self.min_tf >= 1.0 { self.min_tf } else { all as f64 * self.min_tf };
                let terms = found.chunk_by(|a, b| a == b).filter(|equal| equal.len() as f64 >= least);
                let (slots, counts): (Vec<i32>, Vec<f64>) =
                    terms.map(|equal| (equal[0], if self.binary { 1.0 } else { equal.len() as f64 })).unzip();
                out.push_sparse(self.vocabulary.len(), &slots, &counts);
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}

/// Term counts times their weights, as `IDFModel` computes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightTerms {
    weights: Floats,
}

impl Step for WeightTerms {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.weights.len()))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        rows.map_vectors(|vector, out, weighted| {
            check_size(vector, self.weights.len())?;
            weighted.clear();
            match vector {
                VectorRow::Dense(values) => {
                    weighted.extend(values.iter().zip(&*self.weights).map(|(value, weight)| value * weight));
                    out.push_dense(weighted);
                }
                VectorRow::Sparse { size, indices, values } => {
                    weighted.extend(indices.iter().zip(values).map(|(i, value)| value * self.weights[*i as usize]));
                    out.push_sparse(size, indices, weighted);
                }
            }
            Ok(())
        })
    }
}

/// Columns hashed into one vector, as `FeatureHasher` does: numbers under the hash of their column's name, categories under
/// the hash of name and value. A null adds nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashFeatures {
    num_features: i32,
    /// The original name of each column, which is hashed.
    names: Vec<String>,
    /// Names of columns of numbers that hold categories.
    categorical: Vec<String>,
}

#[derive(Debug)]
enum Hashed {
    /// A column of numbers, and its slot.
    Numbers(Float64Array, i32),
    /// A column of categories as text, and the beginning of its terms.
    Categories(StringArray, String),
}

impl HashFeatures {
    pub fn ready(self) -> Result<Self, String> {
        if self.num_features < 1 || self.names.is_empty() { Err("it has no slots".to_owned()) } else { Ok(self) }
    }

    fn is_category(&self, name: &str, kind: &DataType) -> bool {
        is_text(kind) || kind == &DataType::Boolean || self.categorical.iter().any(|other| other == name)
    }
}

impl Step for HashFeatures {
    fn arity(&self) -> Option<usize> {
        Some(self.names.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        if let Some(field) = inputs.iter().find(|field| !is_cell(field.data_type())) {
            let message = format!("has type {}; expected numbers, booleans or strings", type_name(field.data_type()));
            return Err(Error::schema(field.name(), message));
        }
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(self.num_features as usize))).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let slots = Slots::new(self.num_features);
        let columns: Vec<Hashed> = self
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                Ok(if self.is_category(name, rows.arrays[i].data_type()) {
                    Hashed::Categories(texts(&rows.names[i], &rows.arrays[i])?, format!("{name}="))
                } else {
                    Hashed::Numbers(rows.doubles(i)?, slots.of(name.as_bytes()))
                })
            })
            .collect::<Result<_>>()?;
        rows.by_pieces(|range, _| {
            let mut out = VectorBuilder::with_capacity(range.len());
            let (mut terms, mut term): (Vec<(i32, f64)>, String) = (Vec::new(), String::new());
            for row in range {
                terms.clear();
                for column in &columns {
                    match column {
                        Hashed::Numbers(numbers, slot) if !numbers.is_null(row) => {
                            terms.push((*slot, numbers.value(row)));
                        }
                        Hashed::Categories(texts, prefix) if !texts.is_null(row) => {
                            term.clear();
                            term.push_str(prefix);
                            term.push_str(texts.value(row));
                            terms.push((slots.of(term.as_bytes()), 1.0));
                        }
                        _ => {}
                    }
                }
                terms.sort_by_key(|(slot, _)| *slot);
                let groups = terms.chunk_by(|a, b| a.0 == b.0);
                let (places, values): (Vec<i32>, Vec<f64>) =
                    groups.map(|equal| (equal[0].0, equal.iter().map(|(_, value)| value).sum::<f64>())).unzip();
                out.push_sparse(self.num_features as usize, &places, &values);
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}
