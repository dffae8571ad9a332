//! The number of distinct values, from a mergeable sketch.

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast::cast;
use arrow_schema::DataType;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use mmlrs_core::types::{is_binary, is_text};
use mmlrs_core::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::order::key_of;

/// Binary logarithm of the number of registers. Gives a standard error of 1.6% with 4 KB.
const LG_REGISTERS: u8 = 12;

/// A `HyperLogLog` sketch, which is exact for small numbers of distinct values.
#[derive(Debug, Clone)]
pub struct Distinct(HllSketch);

impl Distinct {
    /// An empty sketch.
    pub fn new() -> Result<Self> {
        HllSketch::new(LG_REGISTERS, HllType::Hll8).map(Self).map_err(failed)
    }

    /// Whether values of this type can be counted.
    pub fn counts(data_type: &DataType) -> bool {
        data_type.is_numeric()
            || (data_type.is_temporal() && !matches!(data_type, DataType::Interval(_)))
            || is_text(data_type)
            || is_binary(data_type)
            || data_type == &DataType::Boolean
    }

    /// Adds numbers, none of which may be NaN.
    pub fn update(&mut self, values: &[f64]) {
        for value in values {
            self.0.update(key_of(*value));
        }
    }

    /// Adds the values of a column, except nulls.
    pub fn update_array(&mut self, array: &ArrayRef) -> Result<()> {
        match array.data_type() {
            text if is_text(text) => {
                let texts = cast(array, &DataType::LargeUtf8)?;
                texts.as_string::<i64>().iter().flatten().for_each(|text| self.0.update(text));
            }
            bytes if is_binary(bytes) => {
                let values = cast(array, &DataType::LargeBinary)?;
                values.as_binary::<i64>().iter().flatten().for_each(|value| self.0.update(value));
            }
            DataType::Decimal128(..) => {
                array.as_primitive::<Decimal128Type>().iter().flatten().for_each(|value| self.0.update(value));
            }
            DataType::UInt64 => {
                array.as_primitive::<UInt64Type>().iter().flatten().for_each(|value| self.0.update(value as i64));
            }
            _ => {
                let integers = cast(array, &DataType::Int64)?;
                integers.as_primitive::<Int64Type>().iter().flatten().for_each(|value| self.0.update(value));
            }
        }
        Ok(())
    }

    /// Adds the values of another sketch.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let mut union = HllUnion::new(LG_REGISTERS).map_err(failed)?;
        union.update(&self.0);
        union.update(&other.0);
        self.0 = union.to_sketch(HllType::Hll8);
        Ok(())
    }

    /// The estimate, which does not depend on the order of the values.
    pub fn count(&self) -> u64 {
        self.0.composite_estimate().round() as u64
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that map_err expects")]
fn failed(error: datasketches::error::Error) -> Error {
    Error::runtime(format!("distinct values: {error}"))
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        HllSketch::deserialize(&bytes).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(values: impl Iterator<Item = i64>) -> Distinct {
        let mut sketch = Distinct::new().expect("valid");
        sketch.update(&values.map(|v| v as f64).collect::<Vec<_>>());
        sketch
    }

    #[test]
    fn few_values_are_counted_exactly() {
        assert_eq!(sketch([].into_iter()).count(), 0);
        assert_eq!(sketch((0..1000).map(|v| v % 17)).count(), 17);
    }

    #[test]
    fn overlapping_parts_are_counted_once_and_near() {
        let mut merged = sketch(0..60_000);
        merged.merge(&sketch(40_000..100_000)).expect("merges");
        let error = merged.count() as f64 / 100_000.0 - 1.0;
        assert!(error.abs() < 0.05, "{error}");
        let bytes = postcard::to_stdvec(&merged).expect("writes");
        assert_eq!(postcard::from_bytes::<Distinct>(&bytes).expect("reads").count(), merged.count());
    }
}
