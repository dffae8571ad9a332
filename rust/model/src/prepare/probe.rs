//! Runs a model on synthetic rows, to verify that its batch dimension is free, and to determine shapes that the graph does not
//! declare.

use std::borrow::Cow;
use std::ops::Range;

use half::{bf16, f16};
use mmlrs_core::{Error, Result, guarded};
use mmlrs_image::{Layout, TensorPrep};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

use crate::failure::failed;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::info::{ModelInfo, ValueInfo, ValueKind};
use crate::runtime::session::{Feed, run_trial};

/// The size used for an open dimension.
const OPEN_DIM: usize = 8;

/// Maximum number of rows of a fixed batch in a trial.
const MAX_ROWS: usize = 1 << 16;

/// Maximum number of values of a synthetic input.
const MAX_VALUES: usize = 1 << 25;

/// An output of a run, as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// The shape, batch included.
    pub shape: Vec<i64>,
    /// The values.
    pub values: Vec<f64>,
    loose: bool,
}

/// Runs the model on the synthetic rows `rows`. A row number always has the same values.
pub fn run(session: &mut Session, info: &ModelInfo, rows: Range<usize>) -> Result<Vec<Probed>> {
    run_rows(session, info, &rows.collect::<Vec<_>>())?.into_iter().collect()
}

/// Runs the model on the synthetic rows with these numbers. An output that is not numeric is an error for that output.
pub fn run_rows(session: &mut Session, info: &ModelInfo, rows: &[usize]) -> Result<Vec<Result<Probed>>> {
    guarded(|| run_guarded(session, info, rows)).unwrap_or_else(|panic| Err(failed(panic)))
}

fn run_guarded(session: &mut Session, info: &ModelInfo, rows: &[usize]) -> Result<Vec<Result<Probed>>> {
    let feeds: Vec<Feed<'_>> = info
        .inputs
        .iter()
        .map(|input| Ok((Cow::Borrowed(input.name.as_str()), made_up(input, rows)?)))
        .collect::<Result<_>>()?;
    let names: Vec<String> = session.outputs().iter().map(|o| o.name().to_owned()).collect();
    run_trial(session, feeds, |outputs| Ok(names.iter().filter_map(|name| outputs.get(name)).map(numbers).collect()))
}

/// Whether each of the `batch` rows of a run has a result of its own. Returns true if no trial can decide it.
pub fn independent(session: &mut Session, info: &ModelInfo, batch: usize) -> bool {
    if batch > MAX_ROWS {
        return true;
    }
    let rows: Vec<usize> = (0..batch).collect();
    let mut others = rows.clone();
    others[0] = batch;
    let mut numbers = |rows: &[usize]| run_rows(session, info, rows)?.into_iter().collect::<Result<Vec<_>>>();
    let (Ok(first), Ok(again), Ok(changed)) = (numbers(&rows), numbers(&rows), numbers(&others)) else { return true };
    let steady = first.iter().zip(&again).all(|(a, b)| a.close_to(b));
    let same_rest = |(a, b): (&Probed, &Probed)| {
        let row = a.values.len() / batch;
        a.shape == b.shape && (a.shape.first() != Some(&(batch as i64)) || a.rest(row).close_to(&b.rest(row)))
    };
    !steady || first.iter().zip(&changed).all(same_rest)
}

/// Whether a model with this batch size and these inputs is small enough for a trial with [`agrees`].
pub fn can_be_tried(info: &ModelInfo, batch: usize) -> bool {
    let values = |input: &ValueInfo| {
        let sizes = input.shape().unwrap_or_default().iter().skip(1).map(|dim| dim.size().unwrap_or(OPEN_DIM));
        sizes.chain([batch, chunks(batch)]).try_fold(1_usize, usize::checked_mul)
    };
    batch <= MAX_ROWS && info.inputs.iter().all(|input| values(input).is_some_and(|count| count <= MAX_VALUES))
}

/// Number of batches in a trial.
fn chunks(batch: usize) -> usize {
    if batch == 1 { 3 } else { 2 }
}

/// Whether `dynamic` computes for several rows at once the results of `original` for `batch` rows at a time.
pub fn agrees(original: &mut Session, before: &ModelInfo, dynamic: &mut Session, batch: usize) -> bool {
    let chunks = chunks(batch);
    let Ok(together) = run(dynamic, before, 0..chunks * batch) else { return false };
    let mut apart: Option<Vec<Probed>> = None;
    for chunk in 0..chunks {
        let Ok(part) = run(original, before, chunk * batch..(chunk + 1) * batch) else { return false };
        match &mut apart {
            None => apart = Some(part),
            Some(all) => all.iter_mut().zip(part).for_each(|(a, p)| a.append(p)),
        }
    }
    apart.is_some_and(|apart| apart.len() == together.len() && apart.iter().zip(&together).all(|(a, b)| a.close_to(b)))
}

impl Probed {
    /// All values after the first `count`.
    fn rest(&self, count: usize) -> Self {
        Self { values: self.values.get(count..).unwrap_or_default().to_vec(), ..self.clone() }
    }

    fn append(&mut self, other: Self) {
        if let (Some(first), Some(more)) = (self.shape.first_mut(), other.shape.first()) {
            *first += more;
        }
        self.values.extend(other.values);
    }

    /// Whether shape and values are equal, up to rounding.
    pub fn close_to(&self, other: &Self) -> bool {
        let (absolute, relative) = if self.loose { (1e-2, 2e-2) } else { (1e-5, 1e-3) };
        self.shape == other.shape
            && self.values.iter().zip(&other.values).all(|(a, b)| {
                let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                // Infinities differ by NaN, so only `same` accepts them.
                same || (a - b).abs() <= absolute + relative * a.abs().max(b.abs())
            })
    }
}

/// The type that the session infers for an output; `None` if the rank is unknown.
pub fn inferred(session: &Session, name: &str) -> Option<ValueInfo> {
    guarded(|| inferred_guarded(session, name)).ok().flatten()
}

fn inferred_guarded(session: &Session, name: &str) -> Option<ValueInfo> {
    let outlet = session.outputs().iter().find(|o| o.name() == name)?;
    let kind = match outlet.dtype() {
        ValueType::Tensor { ty, .. } if Element::from_runtime(*ty).is_none() => {
            ValueKind::Other(format!("tensor of {}", ty.to_string().to_uppercase()))
        }
        ValueType::Tensor { ty, shape, dimension_symbols } if !shape.is_empty() => {
            let dims = shape.iter().enumerate().map(|(i, d)| match *d {
                d if d > 0 => Dim::Fixed(d as usize),
                _ if dimension_symbols[i].is_empty() => Dim::Any,
                _ => Dim::Symbol(dimension_symbols[i].clone()),
            });
            ValueKind::Tensor(Element::from_runtime(*ty)?, Some(dims.collect()))
        }
        ValueType::Tensor { ty, .. } => ValueKind::Tensor(Element::from_runtime(*ty)?, None),
        ValueType::Sequence(inner) => match inner.as_ref() {
            ValueType::Map { key, value } => ValueKind::Sequence(Box::new(ValueKind::Map(
                Element::from_runtime(*key)?,
                Element::from_runtime(*value)?,
            ))),
            other => ValueKind::Sequence(Box::new(ValueKind::Other(other.to_string()))),
        },
        other => ValueKind::Other(other.to_string()),
    };
    Some(ValueInfo { name: name.to_owned(), kind })
}

fn made_up(input: &ValueInfo, rows: &[usize]) -> Result<SessionInputValue<'static>> {
    let unusable = || Error::model(format!("input `{}` is a {}", input.name, input.kind.words()));
    let element = input.element().ok_or_else(unusable)?;
    let inner: Vec<i64> =
        input.row_shape().unwrap_or(&[]).iter().map(|d| d.size().unwrap_or(OPEN_DIM) as i64).collect();
    let size = inner.iter().try_fold(1usize, |size, d| size.checked_mul(*d as usize));
    let fits = |size: &usize| size.checked_mul(rows.len()).is_some_and(|count| count <= MAX_VALUES);
    let size =
        size.filter(fits).ok_or_else(|| Error::limit(format!("input `{}` is too large for a trial", input.name)))?;
    let mut shape = vec![rows.len() as i64];
    shape.extend(inner);
    if input.shape().is_some_and(<[Dim]>::is_empty) {
        shape.clear();
    }
    let seeds = rows.iter().flat_map(|row| (0..size).map(move |i| scramble((row * size + i) as u64)));
    filled(element, shape, seeds).map_err(failed)
}

/// splitmix64: deterministic values that look random.
fn scramble(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn filled(
    element: Element,
    shape: Vec<i64>,
    seeds: impl Iterator<Item = u64>,
) -> ort::Result<SessionInputValue<'static>> {
    let float = |s: u64| (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    // Integers are often indices, and 0 and 1 are valid nearly everywhere.
    let bit = |s: u64| (s & 1) as u8;
    macro_rules! tensor {
        ($f:expr) => {
            Tensor::from_array((shape, seeds.map($f).collect::<Vec<_>>()))?.into()
        };
    }
    Ok(match element {
        Element::F32 => tensor!(float),
        Element::F64 => tensor!(|s| f64::from(float(s))),
        Element::F16 => tensor!(|s| f16::from_f32(float(s))),
        Element::Bf16 => tensor!(|s| bf16::from_f32(float(s))),
        Element::I8 => tensor!(|s| bit(s) as i8),
        Element::I16 => tensor!(|s| i16::from(bit(s))),
        Element::I32 => tensor!(|s| i32::from(bit(s))),
        Element::I64 => tensor!(|s| i64::from(bit(s))),
        Element::U8 => tensor!(bit),
        Element::U16 => tensor!(|s| u16::from(bit(s))),
        Element::U32 => tensor!(|s| u32::from(bit(s))),
        Element::U64 => tensor!(|s| u64::from(bit(s))),
        Element::Bool => tensor!(|s| bit(s) == 1),
        Element::Str => {
            let texts: Vec<String> = seeds.map(|s| if bit(s) == 1 { "a" } else { "b" }.to_owned()).collect();
            Tensor::from_string_array((shape, texts.as_slice()))?.into()
        }
    })
}

fn numbers(value: &DynValue) -> Result<Probed> {
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(Error::runtime(format!("an output is a {}, not a tensor", value.dtype())));
    };
    macro_rules! read {
        ($t:ty, $f:expr) => {
            value.try_extract_tensor::<$t>().map_err(failed)?.1.iter().map($f).collect()
        };
    }
    let values: Vec<f64> = match ty {
        TensorElementType::Float32 => read!(f32, |v| f64::from(*v)),
        TensorElementType::Float64 => read!(f64, |v| *v),
        TensorElementType::Float16 => read!(f16, |v| v.to_f64()),
        TensorElementType::Bfloat16 => read!(bf16, |v| v.to_f64()),
        TensorElementType::Int8 => read!(i8, |v| f64::from(*v)),
        TensorElementType::Int16 => read!(i16, |v| f64::from(*v)),
        TensorElementType::Int32 => read!(i32, |v| f64::from(*v)),
        TensorElementType::Int64 => read!(i64, |v| *v as f64),
        TensorElementType::Uint8 => read!(u8, |v| f64::from(*v)),
        TensorElementType::Uint16 => read!(u16, |v| f64::from(*v)),
        TensorElementType::Uint32 => read!(u32, |v| f64::from(*v)),
        TensorElementType::Uint64 => read!(u64, |v| *v as f64),
        TensorElementType::Bool => read!(bool, |v| f64::from(u8::from(*v))),
        other => return Err(Error::runtime(format!("an output holds {other}, which cannot be compared"))),
    };
    let loose = matches!(ty, TensorElementType::Float16 | TensorElementType::Bfloat16);
    Ok(Probed { shape: shape.iter().copied().collect(), values, loose })
}

/// The row shape of an output for one black image.
pub fn picture_shape(session: &mut Session, info: &ModelInfo, output: &str, prep: &TensorPrep) -> Result<Vec<usize>> {
    let sides = match prep.layout {
        Layout::Nchw => [prep.channels, prep.height, prep.width],
        Layout::Nhwc => [prep.height, prep.width, prep.channels],
    };
    let mut dims = vec![Dim::Any];
    dims.extend(sides.map(Dim::Fixed));
    let sized = |input: &ValueInfo| {
        let kind = input.element().map(|element| ValueKind::Tensor(element, Some(dims.clone())));
        ValueInfo { name: input.name.clone(), kind: kind.unwrap_or_else(|| input.kind.clone()) }
    };
    let info = ModelInfo { inputs: info.inputs.iter().map(sized).collect(), ..info.clone() };
    let at = session.outputs().iter().position(|o| o.name() == output).unwrap_or(0);
    let results = run(session, &info, 0..1)?;
    let shape = results.get(at).map(|r| &r.shape[..]).unwrap_or_default();
    Ok(shape.iter().skip(1).map(|d| *d as usize).collect())
}
