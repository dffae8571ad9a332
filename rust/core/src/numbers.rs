//! Columns of numbers of any type as doubles.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, Float64Array};
use arrow_schema::DataType;

use crate::types::type_name;
use crate::vector::is_number;
use crate::{Error, Result};

/// Numbers or booleans of any width as doubles; null stays null. Other types are an error, since a cast would turn strings that
/// are not numbers into nulls.
pub fn doubles(column: &str, array: &ArrayRef) -> Result<Float64Array> {
    if !is_number(array.data_type()) {
        return Err(Error::schema(column, format!("has type {}; expected numbers", type_name(array.data_type()))));
    }
    let cast = arrow_cast::cast(array, &DataType::Float64)
        .map_err(|e| Error::schema(column, format!("has type {}: {e}", type_name(array.data_type()))))?;
    Ok(cast.as_primitive::<Float64Type>().clone())
}
