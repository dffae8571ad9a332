//! The tensor type of a column: `struct<dtype: string, shape: list<int64>, data: binary>`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, make_array, types::Int64Type};
use arrow_buffer::Buffer;
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Fields};
use mmlrs_core::{Error, Result};

use crate::graph::element::Element;
use crate::tensor::exact::{exact, not_held};
use crate::tensor::nested::{Nested, Span};
use crate::tensor::shapes::Shapes;

/// The Arrow type.
pub fn tensor_type() -> DataType {
    let shape = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    DataType::Struct(Fields::from(vec![
        Field::new("dtype", DataType::Utf8, true),
        Field::new("shape", shape, true),
        Field::new("data", DataType::Binary, true),
    ]))
}

/// Reads tensors. The leaf has the Arrow type of `element`.
pub fn read(array: &ArrayRef, element: Element) -> Result<Nested> {
    if element == Element::Str {
        return Err(Error::runtime("a tensor column cannot hold strings"));
    }
    let array = cast(array, &tensor_type())?;
    let tensors = array.as_struct();
    let (dtypes, shapes, contents) = (
        tensors.column(0).as_string::<i32>(),
        tensors.column(1).as_list::<i32>(),
        tensors.column(2).as_binary::<i32>(),
    );
    let mut distinct = Shapes::new();
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut rows = Vec::with_capacity(tensors.len());
    let mut filled = 0;
    for row in 0..tensors.len() {
        if [tensors.is_null(row), dtypes.is_null(row), shapes.is_null(row), contents.is_null(row)].contains(&true) {
            rows.push(Err(Error::decode("is null")));
            continue;
        }
        let dims = shapes.value(row);
        match values_of(dtypes.value(row), dims.as_primitive::<Int64Type>().values(), contents.value(row)) {
            Ok((dims, values)) => {
                let original = values;
                let values = exact(&original, element)?;
                if let Some(lost) = (0..values.len()).find(|i| values.is_null(*i)) {
                    rows.push(Err(Error::decode(not_held(&original, lost, element))));
                    continue;
                }
                rows.push(Ok(Span { start: filled, shape: distinct.id(&dims) }));
                filled += values.len();
                parts.push(values);
            }
            Err(cause) => rows.push(Err(Error::decode(cause))),
        }
    }
    Ok(Nested { leaf: joined(&parts, &element.input_type())?, rows, shapes: distinct })
}

fn values_of(dtype: &str, dims: &[i64], data: &[u8]) -> Result<(Vec<usize>, ArrayRef), String> {
    let element = Element::from_name(dtype)
        .filter(|e| !matches!(e, Element::Str | Element::Bf16))
        .ok_or_else(|| format!("has the dtype `{dtype}`, which is not supported"))?;
    let dims: Vec<usize> = dims
        .iter()
        .map(|d| usize::try_from(*d).map_err(|_| format!("has the negative dimension {d}")))
        .collect::<Result<_, _>>()?;
    let count = dims.iter().try_fold(1usize, |n, d| n.checked_mul(*d)).filter(|n| n.checked_mul(8).is_some());
    let count = count.ok_or_else(|| format!("has shape {dims:?}, which is too large"))?;
    if data.len() != count * element.width() {
        return Err(format!(
            "has {} bytes of data, but shape {dims:?} of {dtype} needs {}",
            data.len(),
            count * element.width()
        ));
    }
    let (bytes, data_type) = if element == Element::Bool {
        (data.iter().map(|b| u8::from(*b != 0)).collect::<Buffer>(), DataType::UInt8)
    } else {
        (Buffer::from(data), element.input_type())
    };
    let values = arrow_data::ArrayData::builder(data_type).len(count).add_buffer(bytes).build();
    Ok((dims, make_array(values.map_err(|e| e.to_string())?)))
}

fn joined(parts: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef> {
    let refs: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    match refs.as_slice() {
        [] => Ok(arrow_array::new_empty_array(data_type)),
        [_] => Ok(parts[0].clone()),
        many => Ok(arrow_select::concat::concat(many)?),
    }
}
