//! Reading cells as texts, and the fields of results.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, Field};
use mmlrs_core::types::{ML_ATTR_KEY, is_text, type_name};
use mmlrs_core::vector::vector_struct_field;
use mmlrs_core::{Error, Result, double_text, float_text};
use serde_json::{Value, json};

/// The values of a column as Spark's cast to string writes them; null stays null.
pub fn texts(column: &str, array: &ArrayRef) -> Result<StringArray> {
    let cast = match array.data_type() {
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            return Ok(values.iter().map(|v| v.map(double_text)).collect());
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            return Ok(values.iter().map(|v| v.map(float_text)).collect());
        }
        kind if is_cell(kind) => arrow_cast::cast(array, &DataType::Utf8)?,
        kind => {
            return Err(Error::schema(column, format!("has type {}; expected strings or numbers", type_name(kind))));
        }
    };
    Ok(cast.as_string::<i32>().clone())
}

/// Whether values of this type have a text form that they share with Spark.
pub fn is_cell(kind: &DataType) -> bool {
    let decimal = matches!(
        kind,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..)
    );
    is_text(kind) || kind.is_numeric() || decimal || matches!(kind, DataType::Boolean | DataType::Null)
}

/// A column of doubles.
pub fn number_field(name: &str) -> Field {
    Field::new(name, DataType::Float64, true)
}

/// A column of indices with the names of the categories.
pub fn nominal_field(name: &str, values: &[String]) -> Field {
    let attributes = json!({"type": "nominal", "vals": values, "name": name});
    with_attributes(number_field(name), &attributes)
}

/// A field with Spark ML attributes.
pub fn with_attributes(field: Field, attributes: &Value) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(ML_ATTR_KEY.to_owned(), attributes.to_string());
    field.with_metadata(metadata)
}

/// A column of vectors, of this size if it is known.
pub fn vectors_field(name: &str, size: Option<usize>) -> Field {
    vector_struct_field(name, size.map(|size| json!({"num_attrs": size})).as_ref())
}
