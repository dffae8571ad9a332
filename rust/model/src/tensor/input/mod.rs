//! Arrow columns as model inputs: a flat buffer of the tensor's element type, and the position of each row in it.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use half::{bf16, f16};
use mmlrs_core::{Error, Result, types as kinds};
use ort::session::SessionInputValue;
use ort::value::{Tensor, TensorRef};

use crate::failure::failed;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::info::ValueInfo;
use crate::tensor::exact::exact;
use crate::tensor::nested::{Nested, Span};
use crate::tensor::tensor_struct;

/// A column that is ready to be fed.
#[derive(Debug)]
pub struct InputColumn {
    leaf: Leaf,
    rows: Vec<Result<Span>>,
    /// Row shapes that the model expects, by the number in a [`Span`].
    shapes: Vec<Vec<usize>>,
    scalar: bool,
}

/// The values of all rows.
#[derive(Debug)]
pub enum Leaf {
    /// See [`Element`], also for the other variants.
    F16(ScalarBuffer<f16>),
    Bf16(Vec<bf16>),
    F32(ScalarBuffer<f32>),
    F64(ScalarBuffer<f64>),
    I8(ScalarBuffer<i8>),
    I16(ScalarBuffer<i16>),
    I32(ScalarBuffer<i32>),
    I64(ScalarBuffer<i64>),
    U8(ScalarBuffer<u8>),
    U16(ScalarBuffer<u16>),
    U32(ScalarBuffer<u32>),
    U64(ScalarBuffer<u64>),
    Bool(Vec<bool>),
    Str(Vec<String>),
}

/// Returns an error unless a column of this type can feed an input of this type. The error states the expected type.
pub fn check_input(column: &str, data_type: &DataType, info: &ValueInfo) -> Result<()> {
    let Some(element) = info.element() else {
        return Err(Error::schema(
            column,
            format!(
                "cannot feed input `{}`, a {}, which no column can hold; change the model to accept another type and Cast it",
                info.name,
                info.kind.words()
            ),
        ));
    };
    if kinds::is_image(data_type) {
        return Err(Error::schema(
            column,
            "holds images; use ImageFeaturizer, or ImageTransformer with toTensor, first",
        ));
    }
    if kinds::is_tensor(data_type) {
        return Ok(());
    }
    if leaf_fits(leaf_type(data_type), element) {
        // Column functions are planned before they know their columns, with numbers for lists of any size.
        let is_list = matches!(data_type, DataType::FixedSizeList(..));
        return if is_list { check_fixed_shape(column, data_type, info) } else { Ok(()) };
    }
    let remedy = match (kinds::is_text(leaf_type(data_type)), element) {
        (_, Element::Str) => "; cast the column to string",
        (true, _) => "; cast the column to a numeric type, or index its values with ValueIndexer",
        _ => "",
    };
    let (name, model) = (kinds::type_name(data_type), info.kind.words());
    Err(Error::schema(column, format!("has type {name}, which cannot feed input `{}`, a {model}{remedy}", info.name)))
}

fn leaf_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::FixedSizeList(f, _)
        | DataType::ListView(f)
        | DataType::LargeListView(f) => leaf_type(f.data_type()),
        DataType::Dictionary(_, values) => leaf_type(values),
        other => other,
    }
}

/// Returns an error if the type alone shows that no row of the column has the shape of the input.
fn check_fixed_shape(column: &str, data_type: &DataType, info: &ValueInfo) -> Result<()> {
    let Some(shape) = fixed_shape(data_type) else { return Ok(()) };
    fit(&shape, info.row_shape()).map(|_| ()).map_err(|cause| {
        let name = kinds::type_name(data_type);
        Error::schema(column, format!("has type {name}, and so every row {cause} of input `{}`", info.name))
    })
}

/// The shape of every row of a type, if the type fixes it.
fn fixed_shape(data_type: &DataType) -> Option<Vec<usize>> {
    match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::ListView(_) | DataType::LargeListView(_) => None,
        DataType::FixedSizeList(field, size) => {
            let mut shape = vec![usize::try_from(*size).ok()?];
            shape.extend(fixed_shape(field.data_type())?);
            Some(shape)
        }
        DataType::Dictionary(_, values) => fixed_shape(values),
        _ => Some(Vec::new()),
    }
}

fn leaf_fits(leaf: &DataType, element: Element) -> bool {
    match element {
        Element::Str => kinds::is_text(leaf),
        _ => leaf.is_numeric() || *leaf == DataType::Boolean || *leaf == DataType::Null,
    }
}

impl InputColumn {
    /// Reads a column for an input. A row that cannot be fed holds its error.
    pub fn read(column: &str, array: &ArrayRef, info: &ValueInfo) -> Result<Self> {
        check_input(column, array.data_type(), info)?;
        if array.logical_null_count() < array.len() && !kinds::is_tensor(array.data_type()) {
            check_fixed_shape(column, array.data_type(), info)?;
        }
        let element = info.element().unwrap_or(Element::F32);
        let nested =
            if kinds::is_tensor(array.data_type()) { tensor_struct::read(array, element)? } else { Nested::of(array)? };
        Self::of(nested, element, info)
    }

    fn of(mut nested: Nested, element: Element, info: &ValueInfo) -> Result<Self> {
        nested.narrow();
        let had_nulls = nested.leaf.null_count() > 0;
        let leaf = exact(&nested.leaf, element)?;
        if let Some(nulls) = leaf.nulls().filter(|n| n.null_count() > 0) {
            nested.reject_nulls(nulls, had_nulls, element);
        }
        let fitted: Vec<Result<Vec<usize>, String>> =
            nested.shapes.all().iter().map(|shape| fit(shape, info.row_shape())).collect();
        for row in &mut nested.rows {
            if let Ok(span) = row
                && let Err(cause) = &fitted[span.shape as usize]
            {
                *row = Err(Error::decode(format!("{cause} of input `{}`", info.name)));
            }
        }
        Ok(Self {
            leaf: Leaf::of(&leaf, element),
            rows: nested.rows,
            shapes: fitted.into_iter().map(Result::unwrap_or_default).collect(),
            scalar: info.shape().is_some_and(<[Dim]>::is_empty),
        })
    }

    /// The position of a row, or the reason why it cannot be fed.
    pub fn row(&self, row: usize) -> Result<Span, &Error> {
        self.rows[row].as_ref().copied()
    }

    /// Size in memory of a row that can be fed; 0 for strings.
    pub fn row_bytes(&self, row: usize) -> usize {
        let Ok(span) = self.row(row) else { return 0 };
        self.shapes[span.shape as usize].iter().fold(self.leaf.width(), |size, dim| size.saturating_mul(*dim))
    }

    /// The tensor of these rows, which have the same shape. It is a view of the column if they are adjacent, else a copy.
    pub fn tensor(&self, rows: &[usize]) -> Result<SessionInputValue<'_>> {
        let spans: Vec<Span> = rows.iter().filter_map(|r| self.row(*r).ok()).collect();
        let dims = spans.first().map_or(&[][..], |s| &self.shapes[s.shape as usize]);
        let size: usize = dims.iter().product();
        let mut shape: Vec<i64> = if self.scalar { Vec::new() } else { vec![spans.len() as i64] };
        shape.extend(dims.iter().map(|d| *d as i64));
        self.leaf.tensor(shape, &spans, size).map_err(failed)
    }
}

/// The row shape passed to the model for data of shape `have`: the declared one if the data fits it.
fn fit(have: &[usize], declared: Option<&[Dim]>) -> Result<Vec<usize>, String> {
    let Some(want) = declared else { return Ok(have.to_vec()) };
    if have.len() == want.len() && want.iter().zip(have).all(|(w, h)| w.size().is_none_or(|w| w == *h)) {
        return Ok(have.to_vec());
    }
    let mismatch = || {
        let dims: Vec<String> = want.iter().map(ToString::to_string).collect();
        format!("has shape {have:?}, which does not fit the row shape [{}]", dims.join(", "))
    };
    let open = want.iter().filter(|d| d.size().is_none()).count();
    let product = |dims: &mut dyn Iterator<Item = usize>| dims.fold(1, usize::saturating_mul);
    let fixed_count = product(&mut want.iter().filter_map(Dim::size));
    let count = product(&mut have.iter().copied());
    // Data of the declared rank must match it. Other data is a flattened form of it.
    if have.len() == want.len()
        || open > 1
        || (open == 1 && (fixed_count == 0 || !count.is_multiple_of(fixed_count)))
        || (open == 0 && count != fixed_count)
    {
        return Err(mismatch());
    }
    Ok(want.iter().map(|d| d.size().unwrap_or(count / fixed_count.max(1))).collect())
}

impl Leaf {
    /// Bytes of one value; those of a pointer if values differ in size.
    fn width(&self) -> usize {
        match self {
            Self::I8(_) | Self::U8(_) | Self::Bool(_) => 1,
            Self::F16(_) | Self::Bf16(_) | Self::I16(_) | Self::U16(_) => 2,
            Self::F32(_) | Self::I32(_) | Self::U32(_) => 4,
            Self::F64(_) | Self::I64(_) | Self::U64(_) | Self::Str(_) => 8,
        }
    }

    fn of(array: &ArrayRef, element: Element) -> Self {
        macro_rules! values {
            ($t:ty) => {
                array.as_primitive::<$t>().values().clone()
            };
        }
        match element {
            Element::F16 => Self::F16(values!(types::Float16Type)),
            Element::Bf16 => Self::Bf16(values!(types::Float32Type).iter().map(|v| bf16::from_f32(*v)).collect()),
            Element::F32 => Self::F32(values!(types::Float32Type)),
            Element::F64 => Self::F64(values!(types::Float64Type)),
            Element::I8 => Self::I8(values!(types::Int8Type)),
            Element::I16 => Self::I16(values!(types::Int16Type)),
            Element::I32 => Self::I32(values!(types::Int32Type)),
            Element::I64 => Self::I64(values!(types::Int64Type)),
            Element::U8 => Self::U8(values!(types::UInt8Type)),
            Element::U16 => Self::U16(values!(types::UInt16Type)),
            Element::U32 => Self::U32(values!(types::UInt32Type)),
            Element::U64 => Self::U64(values!(types::UInt64Type)),
            Element::Bool => Self::Bool(array.as_boolean().values().iter().collect()),
            Element::Str => {
                let texts = array.as_string::<i32>();
                Self::Str((0..texts.len()).map(|i| texts.value(i).to_owned()).collect())
            }
        }
    }

    fn tensor(&self, shape: Vec<i64>, spans: &[Span], size: usize) -> ort::Result<SessionInputValue<'_>> {
        macro_rules! numeric {
            ($values:expr) => {{
                let values = &$values[..];
                match contiguous(spans, size) {
                    Some(start) => {
                        let view = &values[start..start + spans.len() * size];
                        Ok(TensorRef::from_array_view((shape, view))?.into())
                    }
                    None => Ok(Tensor::from_array((shape, gathered(values, spans, size)))?.into()),
                }
            }};
        }
        match self {
            Self::F16(v) => numeric!(v),
            Self::Bf16(v) => numeric!(v),
            Self::F32(v) => numeric!(v),
            Self::F64(v) => numeric!(v),
            Self::I8(v) => numeric!(v),
            Self::I16(v) => numeric!(v),
            Self::I32(v) => numeric!(v),
            Self::I64(v) => numeric!(v),
            Self::U8(v) => numeric!(v),
            Self::U16(v) => numeric!(v),
            Self::U32(v) => numeric!(v),
            Self::U64(v) => numeric!(v),
            Self::Bool(v) => numeric!(v),
            Self::Str(v) => Ok(Tensor::from_string_array((shape, gathered(v, spans, size).as_slice()))?.into()),
        }
    }
}

/// The start of the first row, if the others follow without gaps.
fn contiguous(spans: &[Span], size: usize) -> Option<usize> {
    let start = spans.first()?.start;
    spans.iter().enumerate().all(|(i, s)| s.start == start + i * size).then_some(start)
}

fn gathered<T: Clone>(values: &[T], spans: &[Span], size: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(spans.len() * size);
    for span in spans {
        out.extend_from_slice(&values[span.start..span.start + size]);
    }
    out
}

#[cfg(test)]
mod tests;
