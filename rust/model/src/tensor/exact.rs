//! Converts values to the element type of a tensor, without silent losses.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array, types};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_cast::display::array_value_to_string;
use arrow_cast::{CastOptions, cast, cast_with_options};
use arrow_schema::DataType;
use mmlrs_core::Result;

use crate::graph::element::Element;

/// Casts values to the Arrow type of `element`. Values that the type cannot hold become null: values out of range, and for
/// integers fractions, NaN and infinities. Floats may lose digits, and any number except NaN is valid as a boolean.
pub fn exact(values: &ArrayRef, element: Element) -> Result<ArrayRef> {
    let target = element.input_type();
    if values.data_type() == &target {
        return Ok(values.clone());
    }
    let converted = cast_with_options(values, &target, &CastOptions { safe: true, ..CastOptions::default() })?;
    let held = match (values.data_type(), element.is_float()) {
        (DataType::Float16 | DataType::Float32 | DataType::Float64, false) if element != Element::Str => {
            let wide = cast(values, &DataType::Float64)?;
            let wide = wide.as_primitive::<types::Float64Type>().values().clone();
            match element {
                Element::Bool => BooleanBuffer::collect_bool(wide.len(), |i| !wide[i].is_nan()),
                _ => BooleanBuffer::collect_bool(wide.len(), |i| wide[i].fract() == 0.0),
            }
        }
        (source, true) if source.is_numeric() && overflows(source, &target) => {
            let (before, after) = (cast(values, &DataType::Float64)?, cast(&converted, &DataType::Float64)?);
            let before = before.as_primitive::<types::Float64Type>().values().clone();
            let after = after.as_primitive::<types::Float64Type>().values().clone();
            BooleanBuffer::collect_bool(after.len(), |i| after[i].is_finite() || !before[i].is_finite())
        }
        _ => return Ok(converted),
    };
    if held.count_set_bits() == held.len() {
        return Ok(converted);
    }
    let nulls = NullBuffer::union(converted.nulls(), Some(&NullBuffer::new(held)));
    Ok(make_array(converted.to_data().into_builder().nulls(nulls).build()?))
}

/// The error for the value at `place`.
pub fn not_held(values: &ArrayRef, place: usize, element: Element) -> String {
    let value = array_value_to_string(values, place).unwrap_or_default();
    format!("holds {value}, which {} cannot hold", element.name())
}

/// Whether a finite value of one type can exceed the range of this float type.
fn overflows(source: &DataType, target: &DataType) -> bool {
    match target {
        DataType::Float16 => !matches!(source, DataType::Int8 | DataType::UInt8 | DataType::Int16),
        DataType::Float32 => matches!(source, DataType::Float64),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Float64Array, Int64Array};

    use super::*;

    fn held(values: impl Array + 'static, element: Element) -> Vec<bool> {
        let values: ArrayRef = Arc::new(values);
        let converted = exact(&values, element).expect("a cast");
        (0..converted.len()).map(|i| !converted.is_null(i)).collect()
    }

    #[test]
    fn whole_numbers_hold_no_fraction_and_nothing_that_is_not_finite() {
        let values = || Float64Array::from(vec![2.0, 2.5, f64::NAN, f64::INFINITY, -3.0, 1e30]);
        assert_eq!(held(values(), Element::I64), [true, false, false, false, true, false]);
        assert_eq!(held(values(), Element::Bool), [true, true, false, true, true, true]);
        assert_eq!(held(Int64Array::from(vec![127, 128]), Element::I8), [true, false]);
    }

    #[test]
    fn floats_keep_what_is_not_finite_and_overflow_to_nothing() {
        let values = || Float64Array::from(vec![0.1, 1e300, f64::INFINITY, f64::NAN]);
        assert_eq!(held(values(), Element::F32), [true, false, true, true]);
        assert_eq!(held(values(), Element::F64), [true; 4]);
        assert_eq!(held(Int64Array::from(vec![7, 1 << 40]), Element::F16), [true, false]);
    }
}
