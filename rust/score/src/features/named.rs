//! The slots of a vector under their names.

use std::sync::Arc;

use arrow_array::builder::NullBufferBuilder;
use arrow_array::{ArrayRef, Float64Array, StructArray};
use arrow_schema::{DataType, Field, Fields};
use mmlrs_core::Result;
use serde::Deserialize;

use crate::step::{Computed, Inputs, Step, check_size, usable};
use crate::vectors::fill_dense;

/// A struct with a member for each slot of a vector, such as the probability of each class.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameSlots {
    names: Vec<String>,
}

impl NameSlots {
    pub fn ready(self) -> Result<Self, String> {
        let mut sorted: Vec<&String> = self.names.iter().collect();
        sorted.sort_unstable();
        sorted.dedup();
        let distinct = !self.names.is_empty() && sorted.len() == self.names.len();
        if distinct { Ok(self) } else { Err("its names are not distinct".to_owned()) }
    }

    fn members(&self) -> Fields {
        self.names.iter().map(|name| Field::new(name, DataType::Float64, true)).collect()
    }
}

impl Step for NameSlots {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        Ok(outputs.iter().take(1).map(|name| Field::new(name, DataType::Struct(self.members()), true)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let vectors = rows.vectors(0)?;
        rows.by_pieces(|range, piece| {
            let mut members = vec![Vec::with_capacity(range.len()); self.names.len()];
            let (mut nulls, mut dense) = (NullBufferBuilder::new(range.len()), Vec::new());
            for row in range {
                let found = usable(&vectors, row).and_then(|vector| {
                    check_size(vector, self.names.len())?;
                    fill_dense(vector, &mut dense);
                    Ok(())
                });
                nulls.append(found.is_ok());
                if let Err(cause) = found {
                    piece.reject(row, (0, cause))?;
                    dense.clear();
                    dense.resize(self.names.len(), 0.0);
                }
                members.iter_mut().zip(&dense).for_each(|(member, value)| member.push(*value));
            }
            let columns = members.into_iter().map(|member| Arc::new(Float64Array::from(member)) as ArrayRef).collect();
            Ok(vec![Arc::new(StructArray::try_new(self.members(), columns, nulls.finish())?) as ArrayRef])
        })
    }
}
