//! Values that replace missing ones.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, PrimitiveArray, StringArray};
use arrow_cast::cast::cast;
use arrow_cast::parse::parse_decimal;
use arrow_schema::DataType;
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::{Error, Result};
use serde_json::Value;

use crate::json_number::{json_of, number_of};
use mmlrs_core::doubles;

/// Whether missing values of this type can be filled.
pub fn can_fill(data_type: &DataType) -> bool {
    is_text(data_type)
        || matches!(data_type, DataType::Boolean | DataType::Decimal128(..) | DataType::Float32 | DataType::Float64)
        || integer_range(data_type).is_some()
}

/// The smallest and the largest value of an integer type.
pub fn integer_range(data_type: &DataType) -> Option<(i64, i64)> {
    Some(match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// A statistic as a value of a numeric column. Integers lose the fraction, as in Spark's `Imputer`. Decimals are rounded to
/// their scale and are written as strings, which keep all digits.
pub fn fill_of_number(data_type: &DataType, number: f64) -> Result<Value> {
    if integer_range(data_type).is_some() {
        return Ok(Value::from(number as i64));
    }
    match data_type {
        DataType::Float32 => Ok(json_of(f64::from(number as f32))),
        DataType::Decimal128(..) => {
            let decimal = cast(&Float64Array::from(vec![number]), data_type)?;
            if decimal.is_null(0) {
                return Err(Error::decode(format!("{number} does not fit into {}", type_name(data_type))));
            }
            Ok(Value::from(decimal.as_primitive::<Decimal128Type>().value_as_string(0)))
        }
        _ => Ok(json_of(number)),
    }
}

/// A user's string as a value of a column.
pub fn fill_of_text(data_type: &DataType, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    if is_text(data_type) {
        return Some(Value::from(text));
    }
    if integer_range(data_type).is_some() {
        let integer = trimmed.parse::<i64>().ok().or_else(|| {
            let number = trimmed.parse::<f64>().ok()?;
            (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
        })?;
        return fits(data_type, integer).then(|| Value::from(integer));
    }
    match data_type {
        DataType::Boolean => trimmed.to_lowercase().parse::<bool>().ok().map(Value::from),
        DataType::Decimal128(precision, scale) => {
            parse_decimal::<Decimal128Type>(trimmed, *precision, *scale).ok()?;
            Some(Value::from(trimmed))
        }
        _ => trimmed.parse::<f64>().ok().filter(|number| !number.is_nan()).map(json_of),
    }
}

fn fits(data_type: &DataType, integer: i64) -> bool {
    integer_range(data_type).is_some_and(|(min, max)| (min..=max).contains(&integer))
}

/// The column with `fill` in place of null and NaN.
pub fn filled(array: &ArrayRef, fill: &Value) -> Option<Result<ArrayRef>> {
    let done = |array: ArrayRef| Some(Ok(array));
    let integer = |fill: &Value| {
        let integer = fill.as_i64().or_else(|| number_of(fill).filter(|v| v.fract() == 0.0).map(|v| v as i64));
        integer.filter(|integer| fits(array.data_type(), *integer))
    };
    match array.data_type() {
        DataType::Float64 => done(filled_floats::<Float64Type>(array, number_of(fill)?, f64::is_nan)),
        DataType::Float32 => done(filled_floats::<Float32Type>(array, number_of(fill)? as f32, f32::is_nan)),
        DataType::Int8 => done(filled_nulls::<Int8Type>(array, integer(fill)? as i8)),
        DataType::Int16 => done(filled_nulls::<Int16Type>(array, integer(fill)? as i16)),
        DataType::Int32 => done(filled_nulls::<Int32Type>(array, integer(fill)? as i32)),
        DataType::Int64 => done(filled_nulls::<Int64Type>(array, integer(fill)?)),
        DataType::Decimal128(precision, scale) => {
            let text = fill.as_str().map_or_else(|| fill.to_string(), str::to_owned);
            let value = parse_decimal::<Decimal128Type>(&text, *precision, *scale).ok()?;
            done(filled_nulls::<Decimal128Type>(array, value))
        }
        DataType::Boolean => {
            let value = fill.as_bool()?;
            done(Arc::new(array.as_boolean().iter().map(|v| Some(v.unwrap_or(value))).collect::<BooleanArray>()))
        }
        text if is_text(text) => Some(filled_texts(array, fill.as_str()?)),
        _ => None,
    }
}

fn filled_floats<T: ArrowPrimitiveType>(array: &ArrayRef, fill: T::Native, is_nan: fn(T::Native) -> bool) -> ArrayRef {
    let values = array.as_primitive::<T>();
    if values.null_count() == 0 && !values.values().iter().any(|v| is_nan(*v)) {
        return array.clone();
    }
    let filled = values.iter().map(|v| v.filter(|v| !is_nan(*v)).unwrap_or(fill));
    Arc::new(PrimitiveArray::<T>::from_iter_values(filled))
}

fn filled_nulls<T: ArrowPrimitiveType>(array: &ArrayRef, fill: T::Native) -> ArrayRef {
    let values = array.as_primitive::<T>();
    if values.null_count() == 0 {
        return array.clone();
    }
    let filled = PrimitiveArray::<T>::from_iter_values(values.iter().map(|v| v.unwrap_or(fill)));
    Arc::new(filled.with_data_type(array.data_type().clone()))
}

fn filled_texts(array: &ArrayRef, fill: &str) -> Result<ArrayRef> {
    if array.null_count() == 0 {
        return Ok(array.clone());
    }
    let texts = cast(array, &DataType::Utf8)?;
    let texts: &StringArray = texts.as_string();
    let mut builder = StringBuilder::with_capacity(texts.len(), texts.value_data().len());
    texts.iter().for_each(|text| builder.append_value(text.unwrap_or(fill)));
    Ok(cast(&builder.finish(), array.data_type())?)
}

/// The values that are neither null nor NaN, as doubles.
pub fn present(column: &str, array: &ArrayRef) -> Result<Vec<f64>> {
    let numbers = doubles(column, array)?;
    if numbers.null_count() == 0 {
        return Ok(numbers.values().iter().copied().filter(|v| !v.is_nan()).collect());
    }
    Ok(numbers.iter().flatten().filter(|v| !v.is_nan()).collect())
}
