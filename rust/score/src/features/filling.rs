//! Missing values filled in vectors and in columns of strings.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, Field};
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::{Error, Result};
use serde::Deserialize;

use crate::arrays::{texts, vectors_field};
use crate::numbers::{Floats, Ints};
use crate::step::{Computed, Inputs, Step, check_size};
use crate::vectors::fill_dense;

/// Fills slots, and appends whether some slots were missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// The value that counts as missing, which may be NaN. A list of one number.
    missing: Floats,
    /// What a missing value of each slot becomes.
    values: Floats,
    /// The slots to keep.
    kept: Ints,
    /// The slots with an indicator.
    indicators: Ints,
}

impl Fill {
    pub fn ready(self) -> Result<Self, String> {
        let outside = |slot: &i32| *slot < 0 || *slot as usize >= self.values.len();
        if self.missing.len() != 1 || self.kept.iter().chain(&*self.indicators).any(outside) {
            return Err("its slots do not fit its values".to_owned());
        }
        Ok(self)
    }
}

impl Step for Fill {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, _inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let size = self.kept.len() + self.indicators.len();
        Ok(outputs.iter().take(1).map(|name| vectors_field(name, Some(size))).collect())
    }

    #[allow(clippy::float_cmp, reason = "the number itself counts as missing")]
    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let missing = self.missing[0];
        let is_missing = |value: f64| value == missing || (value.is_nan() && missing.is_nan());
        rows.map_vectors(|vector, out, values| {
            check_size(vector, self.values.len())?;
            fill_dense(vector, values);
            let filled = self.kept.iter().map(|slot| {
                let value = values[*slot as usize];
                if is_missing(value) { self.values[*slot as usize] } else { value }
            });
            let flags = self.indicators.iter().map(|slot| f64::from(u8::from(is_missing(values[*slot as usize]))));
            out.push_dense(&filled.chain(flags).collect::<Vec<f64>>());
            Ok(())
        })
    }
}

/// Fills columns of strings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillText {
    /// The string that counts as missing. Without it, null.
    #[serde(default)]
    missing: Option<String>,
    /// What a missing value of each column becomes.
    values: Vec<String>,
}

impl Step for FillText {
    fn arity(&self) -> Option<usize> {
        Some(self.values.len())
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        for field in inputs {
            if !(is_text(field.data_type()) || field.data_type() == &DataType::Null) {
                let message = format!("has type {}; the stage was fitted on strings", type_name(field.data_type()));
                return Err(Error::schema(field.name(), message));
            }
        }
        Ok(outputs.iter().take(inputs.len()).map(|name| Field::new(name, DataType::Utf8, true)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let column = |(place, value): (usize, &String)| {
            let texts = texts(&rows.names[place], &rows.arrays[place])?;
            let filled: StringArray = match &self.missing {
                Some(missing) => {
                    texts.iter().map(|text| text.map(|text| if text == missing { value } else { text })).collect()
                }
                None => texts.iter().map(|text| Some(text.unwrap_or(value))).collect(),
            };
            Ok(Arc::new(filled) as ArrayRef)
        };
        let columns = self.values.iter().enumerate().map(column).collect::<Result<_>>()?;
        Ok(Computed { columns, invalid: Vec::new() })
    }
}
