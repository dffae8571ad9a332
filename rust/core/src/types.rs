//! Arrow types with a special meaning: Spark's image struct, vectors, and the metadata keys that mark them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema};
use serde_json::json;

use crate::error::{Error, Result};

/// Field metadata key for the meaning of a column beyond its Arrow type.
pub const KIND_KEY: &str = "mmlrs.kind";
/// Value of [`KIND_KEY`]: a Spark ML vector, as a list of numbers or as the struct of [`vector_type`].
pub const KIND_VECTOR: &str = "vector";
/// Value of [`KIND_KEY`]: a tensor, `struct<dtype: string, shape: list<int64>, data: binary>`.
pub const KIND_TENSOR: &str = "tensor";
/// Field metadata key of Spark ML attributes, as JSON.
pub const ML_ATTR_KEY: &str = "ml_attr";

/// Field metadata key of the levels that a column's type declares, as an ordered JSON list.
pub const LEVELS_KEY: &str = "mmlrs.levels";

/// The field of a column, or an error that lists the columns that there are.
pub fn field_of<'s>(schema: &'s Schema, name: &str) -> Result<&'s Field> {
    schema.field_with_name(name).map_err(|_| {
        let available: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        Error::column_not_found(name, &available)
    })
}

/// Spark's image struct: `origin, height, width, nChannels, mode, data`, rows of BGR pixels.
pub fn image_type() -> DataType {
    DataType::Struct(image_fields())
}

/// The fields of [`image_type`].
pub fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("origin", DataType::Utf8, true),
        Field::new("height", DataType::Int32, true),
        Field::new("width", DataType::Int32, true),
        Field::new("nChannels", DataType::Int32, true),
        Field::new("mode", DataType::Int32, true),
        Field::new("data", DataType::Binary, true),
    ])
}

/// Whether this is Spark's image struct, regardless of nullability and the width of the binary type.
pub fn is_image(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    fields.len() == 6
        && image_fields().iter().all(|want| {
            fields.iter().any(|have| {
                have.name() == want.name()
                    && match want.data_type() {
                        DataType::Binary => is_binary(have.data_type()),
                        DataType::Utf8 => is_text(have.data_type()),
                        other => have.data_type() == other,
                    }
            })
        })
}

/// Whether this is a binary type of any Arrow width.
pub fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Whether this is a string type of any Arrow width.
pub fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Whether this is the `struct(path, bytes)` of a binary file: a string field and a binary field. The second may be called
/// `content`.
pub fn is_binary_file(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    fields.len() == 2 && is_text(fields[0].data_type()) && is_binary(fields[1].data_type())
}

/// Whether this is the tensor type `struct<dtype, shape, data>`, regardless of the widths of its strings, lists and bytes.
pub fn is_tensor(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    let has =
        |name: &str, fits: &dyn Fn(&DataType) -> bool| fields.iter().any(|f| f.name() == name && fits(f.data_type()));
    fields.len() == 3
        && has("dtype", &is_text)
        && has("shape", &|t| matches!(t, DataType::List(_) | DataType::LargeList(_)))
        && has("data", &is_binary)
}

/// The members of a vector's struct, in order.
const VECTOR_MEMBERS: [&str; 4] = ["type", "size", "indices", "values"];

/// The struct of Spark ML vectors: `type` (0 sparse, 1 dense), `size` and `indices` of sparse ones, `values`.
pub fn vector_type() -> DataType {
    DataType::Struct(vector_fields())
}

pub(crate) fn vector_item(data_type: DataType, nulls: bool) -> Arc<Field> {
    Arc::new(Field::new("element", data_type, nulls))
}

pub(crate) fn vector_fields() -> Fields {
    struct_fields(false)
}

/// The members. With `nulls`, members that do not apply to a vector may be null, as in data from other sources.
pub(crate) fn struct_fields(nulls: bool) -> Fields {
    let [kind, size, indices, values] = VECTOR_MEMBERS;
    Fields::from(vec![
        Field::new(kind, DataType::Int8, nulls),
        Field::new(size, DataType::Int32, true),
        Field::new(indices, DataType::List(vector_item(DataType::Int32, nulls)), true),
        Field::new(values, DataType::List(vector_item(DataType::Float64, nulls)), true),
    ])
}

/// Whether this is the struct of a vector.
pub fn is_vector_struct(data_type: &DataType) -> bool {
    let DataType::Struct(fields) = data_type else { return false };
    fields.len() == VECTOR_MEMBERS.len() && VECTOR_MEMBERS.iter().zip(fields).all(|(name, field)| field.name() == name)
}

/// The name of a type for messages: Spark's name, such as `array<string>`; for numbers `NumPy`'s, such as `float64`. Image
/// structs and vectors have their own names.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        t if is_image(t) => "image struct".to_owned(),
        t if is_vector_struct(t) => "vector".to_owned(),
        DataType::Null => "null".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, Some(_)) => "timestamp".to_owned(),
        DataType::Timestamp(_, None) => "timestamp_ntz".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Duration(_) => "interval".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("decimal({p},{s})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("array<{}>", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let members = fields.iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type())));
            format!("struct<{}>", members.collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("map<{}, {}>", type_name(pair[0].data_type()), type_name(pair[1].data_type()))
            }
            _ => "map".to_owned(),
        },
        DataType::Dictionary(_, values) => type_name(values),
        other => other.to_string().to_lowercase(),
    }
}

/// The item of arrays of floats.
pub fn float_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Float32, true))
}

/// A field of dense float vectors of `size`, with its `ml_attr` metadata.
pub fn vector_field(name: &str, size: usize) -> Field {
    Field::new(name, DataType::FixedSizeList(float_item(), size as i32), true).with_metadata(vector_metadata(size))
}

/// A field of arrays of `size` floats, without the mark of a vector. On Spark it is `array<float>`.
pub fn array_field(name: &str, size: usize) -> Field {
    vector_field(name, size).with_metadata(HashMap::new())
}

/// The field metadata of a vector column of `size`.
pub fn vector_metadata(size: usize) -> HashMap<String, String> {
    HashMap::from([
        (KIND_KEY.to_owned(), KIND_VECTOR.to_owned()),
        (ML_ATTR_KEY.to_owned(), json!({"num_attrs": size}).to_string()),
    ])
}
