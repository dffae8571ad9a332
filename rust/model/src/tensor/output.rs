//! Collects the results of runs row by row, in the types of columns.

use std::borrow::Cow;

use half::{bf16, f16};
use mmlrs_core::{Error, Result};
use ort::value::{DynMapValueType, DynValue, Shape, TensorElementType, ValueType};

use crate::failure::failed;
use crate::graph::element::Element;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::tensor::shapes::Shapes;

/// The rows of one model output so far.
#[derive(Debug)]
pub struct Collected {
    /// The values of all runs, one after the other.
    pub values: Values,
    /// The keys of maps, one per value.
    pub keys: Option<Values>,
    /// The first value and the shape number of each row of the batch. `None`: the row has no result.
    pub spans: Vec<Option<(usize, u32)>>,
    /// Shapes by number, without the batch dimension.
    pub shapes: Shapes,
    /// The element type in the model.
    pub element: Element,
    /// Name of the output.
    pub name: String,
}

/// Values in the types of columns.
#[derive(Debug, Clone)]
pub enum Values {
    /// See [`Element::output_type`], also for the other variants.
    F32(Vec<f32>),
    F64(Vec<f64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Str(Vec<String>),
}

/// Applies an expression to the vector inside [`Values`], for any type.
macro_rules! with_values {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            $crate::tensor::output::Values::F32($v) => $body,
            $crate::tensor::output::Values::F64($v) => $body,
            $crate::tensor::output::Values::I8($v) => $body,
            $crate::tensor::output::Values::I16($v) => $body,
            $crate::tensor::output::Values::I32($v) => $body,
            $crate::tensor::output::Values::I64($v) => $body,
            $crate::tensor::output::Values::Bool($v) => $body,
            $crate::tensor::output::Values::Str($v) => $body,
        }
    };
}

/// The values of an output with floats of any width, as 32-bit floats.
pub fn floats_of<'v>(value: &'v DynValue, output: &str) -> Result<Cow<'v, [f32]>> {
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(failed(format!("output `{output}` is a {}, not a tensor", value.dtype())));
    };
    macro_rules! narrowed {
        ($t:ty, $f:expr) => {
            Cow::Owned(value.try_extract_tensor::<$t>().map_err(failed)?.1.iter().map($f).collect())
        };
    }
    Ok(match ty {
        TensorElementType::Float32 => Cow::Borrowed(value.try_extract_tensor::<f32>().map_err(failed)?.1),
        TensorElementType::Float16 => narrowed!(f16, |v| v.to_f32()),
        TensorElementType::Bfloat16 => narrowed!(bf16, |v| v.to_f32()),
        TensorElementType::Float64 => narrowed!(f64, |v| *v as f32),
        other => return Err(failed(format!("output `{output}` holds {other}, not floats"))),
    })
}

impl Values {
    fn empty(element: Element) -> Self {
        match element {
            Element::F16 | Element::Bf16 | Element::F32 => Self::F32(Vec::new()),
            Element::F64 => Self::F64(Vec::new()),
            Element::I8 => Self::I8(Vec::new()),
            Element::I16 | Element::U8 => Self::I16(Vec::new()),
            Element::I32 | Element::U16 => Self::I32(Vec::new()),
            Element::I64 | Element::U32 | Element::U64 => Self::I64(Vec::new()),
            Element::Bool => Self::Bool(Vec::new()),
            Element::Str => Self::Str(Vec::new()),
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        with_values!(self, v => v.len())
    }

    /// Returns false if there is not enough memory.
    fn reserve(&mut self, n: usize) -> bool {
        with_values!(self, v => v.try_reserve(n).is_ok())
    }

    /// Appends the first `count` values of a tensor.
    fn extend(&mut self, value: &DynValue, count: usize) -> Result<()> {
        let ValueType::Tensor { ty, .. } = value.dtype() else { return Err(failed("expected a tensor")) };
        macro_rules! slice {
            ($t:ty) => {
                value
                    .try_extract_tensor::<$t>()
                    .map_err(failed)?
                    .1
                    .get(..count)
                    .ok_or_else(|| failed("short tensor"))?
            };
        }
        match (self, ty) {
            (Self::F32(v), TensorElementType::Float32) => v.extend_from_slice(slice!(f32)),
            (Self::F32(v), TensorElementType::Float16) => v.extend(slice!(f16).iter().map(|x| x.to_f32())),
            (Self::F32(v), TensorElementType::Bfloat16) => v.extend(slice!(bf16).iter().map(|x| x.to_f32())),
            (Self::F64(v), TensorElementType::Float64) => v.extend_from_slice(slice!(f64)),
            (Self::I8(v), TensorElementType::Int8) => v.extend_from_slice(slice!(i8)),
            (Self::I16(v), TensorElementType::Int16) => v.extend_from_slice(slice!(i16)),
            (Self::I16(v), TensorElementType::Uint8) => v.extend(slice!(u8).iter().map(|x| i16::from(*x))),
            (Self::I32(v), TensorElementType::Int32) => v.extend_from_slice(slice!(i32)),
            (Self::I32(v), TensorElementType::Uint16) => v.extend(slice!(u16).iter().map(|x| i32::from(*x))),
            (Self::I64(v), TensorElementType::Int64) => v.extend_from_slice(slice!(i64)),
            (Self::I64(v), TensorElementType::Uint32) => v.extend(slice!(u32).iter().map(|x| i64::from(*x))),
            (Self::I64(v), TensorElementType::Uint64) => {
                for x in slice!(u64) {
                    v.push(i64::try_from(*x).map_err(|_| {
                        Error::runtime(format!("the value {x} does not fit into a 64-bit signed integer"))
                    })?);
                }
            }
            (Self::Bool(v), TensorElementType::Bool) => v.extend_from_slice(slice!(bool)),
            (Self::Str(v), TensorElementType::String) => {
                v.extend(value.try_extract_strings().map_err(failed)?.1.into_iter().take(count));
            }
            (_, other) => {
                return Err(failed(format!("an output holds {other}, which does not match its declared type")));
            }
        }
        Ok(())
    }
}

impl Collected {
    /// No rows yet, for a batch of `rows` rows.
    pub fn new(info: &ValueInfo, rows: usize) -> Result<Self> {
        let (element, keys) = match &info.kind {
            ValueKind::Tensor(element, _) => (*element, None),
            ValueKind::Sequence(inner) => match inner.as_ref() {
                ValueKind::Map(key, value) => (*value, Some(Values::empty(*key))),
                _ => return Err(no_column(info)),
            },
            _ => return Err(no_column(info)),
        };
        Ok(Self {
            values: Values::empty(element),
            keys,
            spans: vec![None; rows],
            shapes: Shapes::new(),
            element,
            name: info.name.clone(),
        })
    }

    /// Appends the results of `rows`, which a run computed in that order. The run had `ran` rows, including padding.
    pub fn append(&mut self, value: &DynValue, rows: &[usize], ran: usize) -> Result<()> {
        match value.dtype() {
            ValueType::Tensor { ty, shape, .. } if self.keys.is_none() => {
                if Element::from_runtime(*ty) != Some(self.element) {
                    return Err(self.unexpected(value));
                }
                self.append_tensor(value, shape, rows, ran)
            }
            ValueType::Sequence(_) if self.keys.is_some() => self.append_maps(value, rows, ran),
            _ => Err(self.unexpected(value)),
        }
    }

    fn unexpected(&self, value: &DynValue) -> Error {
        Error::runtime(format!("output `{}` is a {}, which does not match its declared type", self.name, value.dtype()))
    }

    fn append_tensor(&mut self, value: &DynValue, shape: &Shape, rows: &[usize], ran: usize) -> Result<()> {
        let dims: Vec<usize> = shape.iter().map(|d| *d as usize).collect();
        let inner = match dims.split_first() {
            Some((first, inner)) if *first == ran => inner,
            None if ran == 1 => &[],
            _ => {
                return Err(Error::runtime(format!(
                    "output `{}` has shape {dims:?} for {ran} rows: its first dimension is not the batch",
                    self.name
                )));
            }
        };
        let size = inner.iter().fold(1, |size: usize, dim| size.saturating_mul(*dim));
        let id = self.shapes.id(inner);
        let start = self.values.len();
        if start == 0 {
            self.reserve_rows(size)?;
        }
        self.values.extend(value, rows.len() * size)?;
        for (i, row) in rows.iter().enumerate() {
            self.spans[*row] = Some((start + i * size, id));
        }
        Ok(())
    }

    /// Allocates memory for a batch of rows like the first one. The model decides how long a row is.
    fn reserve_rows(&mut self, size: usize) -> Result<()> {
        let count = size.checked_mul(self.spans.len());
        if count.is_none_or(|count| !self.values.reserve(count)) {
            return Err(Error::batch_too_large("the outputs", "bytes"));
        }
        Ok(())
    }

    fn append_maps(&mut self, value: &DynValue, rows: &[usize], ran: usize) -> Result<()> {
        let maps = value.try_extract_sequence::<DynMapValueType>().map_err(failed)?;
        if maps.len() != ran {
            return Err(Error::runtime(format!("output `{}` has {} maps for {ran} rows", self.name, maps.len())));
        }
        for (map, row) in maps.iter().zip(rows) {
            let start = self.values.len();
            self.append_map(map)?;
            let id = self.shapes.id(&[self.values.len() - start]);
            self.spans[*row] = Some((start, id));
        }
        Ok(())
    }

    fn append_map(&mut self, map: &ort::value::DynMap) -> Result<()> {
        macro_rules! entries {
            ($k:ty, $v:ty, $keys:expr, $values:expr) => {{
                for (key, value) in map.try_extract_key_values::<$k, $v>().map_err(failed)? {
                    $keys.push(key);
                    $values.push(value);
                }
                Ok(())
            }};
        }
        match (&mut self.keys, &mut self.values) {
            (Some(Values::I64(k)), Values::F32(v)) => entries!(i64, f32, k, v),
            (Some(Values::I64(k)), Values::F64(v)) => entries!(i64, f64, k, v),
            (Some(Values::I64(k)), Values::I64(v)) => entries!(i64, i64, k, v),
            (Some(Values::Str(k)), Values::F32(v)) => entries!(String, f32, k, v),
            (Some(Values::Str(k)), Values::F64(v)) => entries!(String, f64, k, v),
            (Some(Values::Str(k)), Values::I64(v)) => entries!(String, i64, k, v),
            _ => Err(Error::runtime(format!("output `{}` has maps of a type that no column can hold", self.name))),
        }
    }

    /// Number of values of a row.
    pub fn size(&self, shape: u32) -> usize {
        self.shapes.get(shape).iter().product()
    }

    /// The row's values as floats; `None` for a row without a result and for strings.
    pub fn floats(&self, row: usize) -> Option<Vec<f64>> {
        let (start, shape) = self.spans[row]?;
        let range = start..start + self.size(shape);
        Some(match &self.values {
            Values::F32(v) => v[range].iter().map(|x| f64::from(*x)).collect(),
            Values::F64(v) => v[range].to_vec(),
            Values::I8(v) => v[range].iter().map(|x| f64::from(*x)).collect(),
            Values::I16(v) => v[range].iter().map(|x| f64::from(*x)).collect(),
            Values::I32(v) => v[range].iter().map(|x| f64::from(*x)).collect(),
            Values::I64(v) => v[range].iter().map(|x| *x as f64).collect(),
            Values::Bool(v) => v[range].iter().map(|x| f64::from(u8::from(*x))).collect(),
            Values::Str(_) => return None,
        })
    }
}

/// The error for an output whose values no column can hold.
pub fn no_column(info: &ValueInfo) -> Error {
    Error::model(format!("output `{}` is a {}, which no column can hold", info.name, info.kind.words()))
}
