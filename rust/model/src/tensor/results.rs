//! Converts collected rows to Arrow columns: nested arrays, vectors, tensors, maps; also their softmax and argmax.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, ListArray, MapArray, PrimitiveArray, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use half::{bf16, f16};
use mmlrs_core::{Error, Result, VectorType, types};

use crate::graph::element::Element;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::tensor::output::{Collected, Values, no_column};
use crate::tensor::tensor_struct::tensor_type;

/// The form of a tensor in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// Arrays nested according to the shape; a number for a tensor with one value per row.
    Array,
    /// All values of the row as one float vector.
    Vector,
    /// dtype, shape and bytes.
    Tensor,
}

impl OutputType {
    /// Parses the param, whose values are checked already.
    pub fn parse(text: &str) -> Self {
        match text {
            "vector" => Self::Vector,
            "tensor" => Self::Tensor,
            _ => Self::Array,
        }
    }
}

/// The field of an output's column.
pub fn output_field(name: &str, info: &ValueInfo, form: OutputType) -> Result<Field> {
    if let ValueKind::Sequence(inner) = &info.kind
        && let ValueKind::Map(key, value) = inner.as_ref()
    {
        return Ok(Field::new(name, map_type(*key, *value), true));
    }
    let element = info.element().ok_or_else(|| no_column(info))?;
    match form {
        OutputType::Array => {
            let rank = info.row_shape().map(<[_]>::len).ok_or_else(|| {
                Error::model(format!(
                    "the rank of output `{}` is not known before the model runs; use outputType \"vector\" or \
                     \"tensor\"",
                    info.name
                ))
            })?;
            Ok(Field::new(name, nested_type(element.output_type(), rank), true))
        }
        OutputType::Vector if !element.is_number() => Err(Error::model(format!(
            "output `{}` holds {}, not numbers, so it cannot be a vector",
            info.name,
            element.name()
        ))),
        OutputType::Vector => Ok(VectorType::Vector.field(name, info.row_size())),
        OutputType::Tensor if element == Element::Str => {
            Err(Error::model(format!("output `{}` holds strings, which the tensor type does not support", info.name)))
        }
        OutputType::Tensor => {
            let metadata = HashMap::from([(types::KIND_KEY.to_owned(), types::KIND_TENSOR.to_owned())]);
            Ok(Field::new(name, tensor_type(), true).with_metadata(metadata))
        }
    }
}

fn nested_type(element: DataType, rank: usize) -> DataType {
    (0..rank).fold(element, |inner, _| DataType::List(Arc::new(Field::new("item", inner, true))))
}

fn map_type(key: Element, value: Element) -> DataType {
    let entries =
        Fields::from(vec![Field::new("key", key.output_type(), false), Field::new("value", value.output_type(), true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

impl Collected {
    /// The column for a field from [`output_field`].
    pub fn into_array(self, field: &Field) -> Result<ArrayRef> {
        match field.data_type() {
            DataType::Map(entries, _) => self.into_maps(entries.clone()),
            DataType::Struct(_) => self.into_tensors(),
            DataType::FixedSizeList(_, size) => self.into_vectors(Some(*size as usize)),
            DataType::List(_) if field.metadata().contains_key(types::KIND_KEY) => self.into_vectors(None),
            other => self.into_nested(other),
        }
    }

    fn validity(&self) -> Option<NullBuffer> {
        let valid: NullBuffer = self.spans.iter().map(Option::is_some).collect::<Vec<bool>>().into();
        (valid.null_count() > 0).then_some(valid)
    }

    /// The shape of each row; that of `empty` for rows without a result.
    fn row_shapes(&self) -> Vec<&[usize]> {
        self.spans.iter().map(|s| s.map_or(&[][..], |(_, id)| self.shapes.get(id))).collect()
    }

    fn into_nested(self, data_type: &DataType) -> Result<ArrayRef> {
        let rank = depth(data_type);
        if let Some(shape) = self.row_shapes().iter().zip(&self.spans).find(|(s, v)| v.is_some() && s.len() != rank) {
            return Err(Error::runtime(format!(
                "output `{}` has row shape {:?}, expected {rank} dimensions; use outputType \"vector\" or \"tensor\"",
                self.name, shape.0
            )));
        }
        let nulls = self.validity();
        // A null number still has a slot, but a null array has no elements.
        let levels: Vec<OffsetBuffer<i32>> = (0..rank).map(|level| self.offsets(level)).collect::<Result<_>>()?;
        let fill = usize::from(rank == 0);
        let leaf_nulls = if rank == 0 { nulls.clone() } else { None };
        let mut array = array_of(self.into_ordered(fill), leaf_nulls);
        for (level, offsets) in levels.into_iter().enumerate().rev() {
            let nulls = if level == 0 { nulls.clone() } else { None };
            let item = Arc::new(Field::new("item", array.data_type().clone(), true));
            array = Arc::new(ListArray::try_new(item, offsets, array, nulls)?);
        }
        Ok(array)
    }

    /// Offsets of the lists at `level`: one list per combination of the outer dimensions.
    fn offsets(&self, level: usize) -> Result<OffsetBuffer<i32>> {
        let mut lengths: Vec<usize> = Vec::with_capacity(self.spans.len());
        for (shape, span) in self.row_shapes().iter().zip(&self.spans) {
            if span.is_none() {
                lengths.extend((level == 0).then_some(0));
                continue;
            }
            let lists: usize = shape[..level].iter().product();
            lengths.extend(std::iter::repeat_n(shape[level], lists));
        }
        let total: usize = lengths.iter().sum();
        if i32::try_from(total).is_err() {
            return Err(Error::batch_too_large("the outputs", "numbers"));
        }
        Ok(OffsetBuffer::from_lengths(lengths))
    }

    fn into_vectors(mut self, size: Option<usize>) -> Result<ArrayRef> {
        if !matches!(self.values, Values::F32(_)) {
            let floats: Vec<f32> = (0..self.spans.len())
                .filter_map(|row| self.floats(row))
                .flat_map(|row| row.into_iter().map(|v| v as f32))
                .collect();
            let mut start = 0;
            for span in self.spans.iter_mut().flatten() {
                span.0 = start;
                start += self.shapes.get(span.1).iter().product::<usize>();
            }
            self.values = Values::F32(floats);
        }
        let nulls = self.validity();
        let Some(size) = size else {
            let lengths: Vec<usize> = self.spans.iter().map(|s| s.map_or(0, |(_, id)| self.size(id))).collect();
            if i32::try_from(lengths.iter().sum::<usize>()).is_err() {
                return Err(Error::batch_too_large("the outputs", "numbers"));
            }
            let values = array_of(self.into_ordered(0), None);
            return Ok(Arc::new(ListArray::try_new(
                types::float_item(),
                OffsetBuffer::from_lengths(lengths),
                values,
                nulls,
            )?));
        };
        let wrong = self.spans.iter().flatten().map(|(_, id)| self.size(*id)).find(|s| *s != size);
        if let Some(wrong) = wrong {
            return Err(Error::runtime(format!("a row of output `{}` has {wrong} values, expected {size}", self.name)));
        }
        let rows = self.spans.len();
        let values = array_of(self.into_ordered(size), None);
        Ok(Arc::new(FixedSizeListArray::try_new_with_length(types::float_item(), size as i32, values, nulls, rows)?))
    }

    fn into_tensors(self) -> Result<ArrayRef> {
        let dtype = if self.element == Element::Bf16 { Element::F32 } else { self.element };
        let nulls = self.validity();
        let mut dtypes = StringBuilder::new();
        let mut shapes = ListBuilder::new(Int64Builder::new());
        let mut data = BinaryBuilder::new();
        for span in &self.spans {
            let Some((start, id)) = span else {
                dtypes.append_null();
                shapes.append_null();
                data.append_null();
                continue;
            };
            dtypes.append_value(dtype.name());
            shapes.append_value(self.shapes.get(*id).iter().map(|d| Some(*d as i64)));
            data.append_value(bytes_of(&self.values, *start..*start + self.size(*id), dtype));
        }
        let DataType::Struct(fields) = tensor_type() else { return Err(Error::runtime("no tensor type")) };
        let columns: Vec<ArrayRef> =
            vec![Arc::new(dtypes.finish()), Arc::new(shapes.finish()), Arc::new(data.finish())];
        Ok(Arc::new(StructArray::try_new(fields, columns, nulls)?))
    }

    fn into_maps(mut self, entries: Arc<Field>) -> Result<ArrayRef> {
        let nulls = self.validity();
        let offsets = self.offsets(0)?;
        let keys = self.keys.take().ok_or_else(|| Error::runtime("an output has no keys"))?;
        let values = std::mem::replace(&mut self.values, Values::I8(Vec::new()));
        let keys = ordered(keys, &self.spans, &self.shapes, 0);
        let values = ordered(values, &self.spans, &self.shapes, 0);
        let DataType::Struct(fields) = entries.data_type() else { return Err(Error::runtime("no map type")) };
        let pairs = StructArray::try_new(fields.clone(), vec![array_of(keys, None), array_of(values, None)], None)?;
        Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, nulls, false)?))
    }

    fn into_ordered(self, fill: usize) -> Values {
        ordered(self.values, &self.spans, &self.shapes, fill)
    }

    /// exp(x - logsumexp(x)) of each row as a vector. A map's values are in the order of its keys.
    pub fn softmax(&self, size: Option<usize>) -> Result<ArrayRef> {
        let floats = ValueInfo { name: String::new(), kind: ValueKind::Tensor(Element::F32, None) };
        let mut out = Self::new(&floats, 0)?;
        let Values::F32(values) = &mut out.values else { return Err(Error::runtime("no floats")) };
        values.reserve(self.values.len());
        for row in 0..self.spans.len() {
            let Some(floats) = self.key_ordered(row) else {
                out.spans.push(None);
                continue;
            };
            let peak = floats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = floats.iter().map(|x| (x - peak).exp()).sum();
            out.spans.push(Some((values.len(), out.shapes.id(&[floats.len()]))));
            values.extend(floats.iter().map(|x| ((x - peak).exp() / sum) as f32));
        }
        out.into_vectors(size)
    }

    /// The index of the largest value of each row, or its key in a map.
    pub fn argmax(&self) -> ArrayRef {
        let best = |row: usize| -> Option<f64> {
            let floats = self.floats(row)?;
            let first = *floats.first()?;
            let (at, _) =
                floats.iter().enumerate().fold((0, first), |best, (i, x)| if *x > best.1 { (i, *x) } else { best });
            match (&self.keys, self.spans[row]) {
                (Some(Values::I64(keys)), Some((start, _))) => Some(keys[start + at] as f64),
                (Some(Values::Str(keys)), Some((start, _))) => keys[start + at].trim().parse().ok(),
                _ => Some(at as f64),
            }
        };
        Arc::new((0..self.spans.len()).map(best).collect::<Float64Array>())
    }

    fn key_ordered(&self, row: usize) -> Option<Vec<f64>> {
        let floats = self.floats(row)?;
        let (start, _) = self.spans[row]?;
        let mut order: Vec<usize> = (0..floats.len()).collect();
        match &self.keys {
            Some(Values::I64(keys)) => order.sort_by_key(|i| keys[start + i]),
            Some(Values::Str(keys)) => order.sort_by(|a, b| keys[start + a].cmp(&keys[start + b])),
            _ => return Some(floats),
        }
        Some(order.into_iter().map(|i| floats[i]).collect())
    }
}

fn depth(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => 1 + depth(item.data_type()),
        _ => 0,
    }
}

/// Values in row order, with `fill` defaults for a row without a result. Rows that are in order already are not copied.
fn ordered(
    values: Values,
    spans: &[Option<(usize, u32)>],
    shapes: &crate::tensor::shapes::Shapes,
    fill: usize,
) -> Values {
    let size = |id: u32| shapes.get(id).iter().product::<usize>();
    let mut next = 0;
    let in_order = spans.iter().all(|span| match span {
        Some((start, id)) => {
            let follows = *start == next;
            next += size(*id);
            follows
        }
        None => fill == 0,
    });
    if in_order && next == values.len() {
        return values;
    }
    match &values {
        Values::F32(v) => Values::F32(pick(v, spans, &size, fill)),
        Values::F64(v) => Values::F64(pick(v, spans, &size, fill)),
        Values::I8(v) => Values::I8(pick(v, spans, &size, fill)),
        Values::I16(v) => Values::I16(pick(v, spans, &size, fill)),
        Values::I32(v) => Values::I32(pick(v, spans, &size, fill)),
        Values::I64(v) => Values::I64(pick(v, spans, &size, fill)),
        Values::Bool(v) => Values::Bool(pick(v, spans, &size, fill)),
        Values::Str(v) => Values::Str(pick(v, spans, &size, fill)),
    }
}

fn pick<T: Clone + Default>(
    values: &[T],
    spans: &[Option<(usize, u32)>],
    size: &dyn Fn(u32) -> usize,
    fill: usize,
) -> Vec<T> {
    let mut out = Vec::with_capacity(values.len() + fill);
    for span in spans {
        match span {
            Some((start, id)) => out.extend_from_slice(&values[*start..*start + size(*id)]),
            None => out.extend(std::iter::repeat_n(T::default(), fill)),
        }
    }
    out
}

fn array_of(values: Values, nulls: Option<NullBuffer>) -> ArrayRef {
    match values {
        Values::F32(v) => Arc::new(PrimitiveArray::<Float32Type>::new(v.into(), nulls)),
        Values::F64(v) => Arc::new(PrimitiveArray::<Float64Type>::new(v.into(), nulls)),
        Values::I8(v) => Arc::new(PrimitiveArray::<Int8Type>::new(v.into(), nulls)),
        Values::I16(v) => Arc::new(PrimitiveArray::<Int16Type>::new(v.into(), nulls)),
        Values::I32(v) => Arc::new(PrimitiveArray::<Int32Type>::new(v.into(), nulls)),
        Values::I64(v) => Arc::new(PrimitiveArray::<Int64Type>::new(v.into(), nulls)),
        Values::Bool(v) => Arc::new(BooleanArray::new(v.into(), nulls)),
        Values::Str(v) => {
            let valid = |i: usize| nulls.as_ref().is_none_or(|n| n.is_valid(i));
            Arc::new(v.iter().enumerate().map(|(i, s)| valid(i).then_some(s)).collect::<StringArray>())
        }
    }
}

/// The bytes of values in the model's own type. Unsigned and half floats were widened before.
fn bytes_of(values: &Values, range: std::ops::Range<usize>, element: Element) -> Vec<u8> {
    macro_rules! bytes {
        ($v:expr, $f:expr) => {
            $v[range].iter().flat_map($f).collect()
        };
    }
    match (values, element) {
        (Values::F32(v), Element::F16) => bytes!(v, |x| f16::from_f32(*x).to_le_bytes()),
        (Values::F32(v), Element::Bf16) => bytes!(v, |x| bf16::from_f32(*x).to_le_bytes()),
        (Values::F32(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::F64(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::I8(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::I16(v), Element::U8) => bytes!(v, |x| (*x as u8).to_le_bytes()),
        (Values::I16(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::I32(v), Element::U16) => bytes!(v, |x| (*x as u16).to_le_bytes()),
        (Values::I32(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::I64(v), Element::U32) => bytes!(v, |x| (*x as u32).to_le_bytes()),
        (Values::I64(v), _) => bytes!(v, |x| x.to_le_bytes()),
        (Values::Bool(v), _) => bytes!(v, |x| [u8::from(*x)]),
        (Values::Str(_), _) => Vec::new(),
    }
}
