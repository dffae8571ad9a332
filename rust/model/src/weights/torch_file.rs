//! Weights that `PyTorch` saved in its format before version 1.6: four pickles, the keys of the storages, and their content.

use std::collections::HashMap;

use half::f16;
use mmlrs_core::{Error, Result};

use super::pickle::{Pickle, Tensor, Value};

/// The first pickle of a file.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const VERSION: i64 = 1001;

/// The weights of a network by name.
#[derive(Debug)]
pub struct TorchFile {
    tensors: HashMap<String, Weights>,
}

/// A tensor of floats, its last dimension contiguous.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    pub dims: Vec<usize>,
    pub values: Vec<f32>,
}

fn damaged(cause: impl std::fmt::Display) -> Error {
    Error::model(format!("the weights are damaged: {cause}"))
}

impl TorchFile {
    /// Reads the weights. Tensors of integers, such as counters of batches, are left out.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.starts_with(b"PK") {
            return Err(Error::model(
                "the weights are in PyTorch's zip format, which is not supported; export the network to ONNX",
            ));
        }
        let mut input = bytes;
        if *Pickle::read(&mut input)?.root() != Value::Long(MAGIC.to_vec()) {
            return Err(Error::model("the file holds no weights of PyTorch"));
        }
        if *Pickle::read(&mut input)?.root() != Value::Int(VERSION) {
            return Err(Error::model("the weights are in an unknown version of PyTorch's format"));
        }
        check_system(&Pickle::read(&mut input)?)?;
        let (state, keys) = (Pickle::read(&mut input)?, Pickle::read(&mut input)?);
        let Value::Map(entries) = state.root() else {
            return Err(Error::model("the file holds something else than a map of weights"));
        };
        let storages = storages(&state, &keys, input)?;
        let mut tensors = HashMap::with_capacity(entries.len());
        for (name, value) in entries {
            let (Value::Text(name), Value::Tensor(tensor)) = (state.value(*name), state.value(*value)) else {
                return Err(Error::model("the file holds something else than a map of weights"));
            };
            let Value::Storage { kind, key, .. } = state.value(tensor.storage) else {
                return Err(damaged(format_args!("`{name}` has no storage")));
            };
            let data = storages
                .get(key.as_str())
                .ok_or_else(|| damaged(format_args!("the content of `{name}` is missing")))?;
            if let Some(element) = Float::of(kind) {
                let values =
                    element.view(data, tensor).ok_or_else(|| damaged(format_args!("`{name}` exceeds its storage")))?;
                tensors.insert(name.clone(), Weights { dims: tensor.sizes.clone(), values });
            }
        }
        Ok(Self { tensors })
    }

    /// The weights of a name, with the expected dimensions.
    pub fn get(&self, name: &str, dims: &[usize]) -> Result<&[f32]> {
        let found = self.tensors.get(name).ok_or_else(|| Error::model(format!("the weights `{name}` are missing")))?;
        if found.dims != dims {
            return Err(Error::model(format!(
                "the weights `{name}` have dimensions {:?}, expected {dims:?}",
                found.dims
            )));
        }
        Ok(&found.values)
    }
}

/// Returns an error if the numbers of the file are in another byte order.
fn check_system(system: &Pickle) -> Result<()> {
    let Value::Map(entries) = system.root() else { return Err(damaged("the byte order is missing")) };
    let big = entries.iter().any(|(key, value)| {
        matches!(system.value(*key), Value::Text(key) if key == "little_endian")
            && *system.value(*value) == Value::Bool(false)
    });
    if big { Err(Error::model("the weights are in big-endian order, which is not supported")) } else { Ok(()) }
}

/// The content of the storages by key.
fn storages<'a>(state: &'a Pickle, keys: &Pickle, mut input: &'a [u8]) -> Result<HashMap<&'a str, &'a [u8]>> {
    let described: HashMap<&str, (&str, usize)> = state
        .values()
        .filter_map(|value| match value {
            Value::Storage { kind, key, len } => Some((key.as_str(), (kind.as_str(), *len))),
            _ => None,
        })
        .collect();
    let Value::List(keys_in_order) = keys.root() else { return Err(damaged("the keys of the storages are missing")) };
    let mut storages = HashMap::with_capacity(described.len());
    for id in keys_in_order {
        let Value::Text(key) = keys.value(*id) else { return Err(damaged("a key of a storage is not a text")) };
        let Some((key, (kind, len))) = described.get_key_value(key.as_str()) else {
            return Err(damaged("a storage has no description"));
        };
        let size = element_size(kind)?;
        let (head, rest) = input.split_first_chunk::<8>().ok_or_else(|| damaged("they end early"))?;
        if u64::from_le_bytes(*head) != *len as u64 {
            return Err(damaged("a storage has another length than described"));
        }
        let bytes = len.checked_mul(size).ok_or_else(|| damaged("a storage is too long"))?;
        let (data, rest) = rest.split_at_checked(bytes).ok_or_else(|| damaged("they end early"))?;
        storages.insert(*key, data);
        input = rest;
    }
    Ok(storages)
}

fn element_size(kind: &str) -> Result<usize> {
    Ok(match kind {
        "DoubleStorage" | "LongStorage" => 8,
        "FloatStorage" | "IntStorage" => 4,
        "HalfStorage" | "ShortStorage" => 2,
        "ByteStorage" | "CharStorage" | "BoolStorage" => 1,
        _ => return Err(Error::model(format!("the weights have the type `{kind}`, which is not supported"))),
    })
}

/// A type of floats.
#[derive(Debug, Clone, Copy)]
enum Float {
    F16,
    F32,
    F64,
}

impl Float {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "HalfStorage" => Some(Self::F16),
            "FloatStorage" => Some(Self::F32),
            "DoubleStorage" => Some(Self::F64),
            _ => None,
        }
    }

    fn at(self, data: &[u8], index: usize) -> Option<f32> {
        match self {
            Self::F16 => data.get(index * 2..)?.first_chunk().map(|b| f16::from_le_bytes(*b).to_f32()),
            Self::F32 => data.get(index * 4..)?.first_chunk().map(|b| f32::from_le_bytes(*b)),
            // Weights are not so exact that the bits matter.
            Self::F64 => data.get(index * 8..)?.first_chunk().map(|b| f64::from_le_bytes(*b) as f32),
        }
    }

    /// The values of a view in the order of its dimensions, or None if it exceeds its storage. Convolutions may be saved as
    /// transposed views, so strides matter.
    fn view(self, data: &[u8], tensor: &Tensor) -> Option<Vec<f32>> {
        let Tensor { offset, sizes, strides, .. } = tensor;
        if sizes.len() != strides.len() {
            return None;
        }
        let count = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
        // A view repeats no value, so it has at most as many values as its storage has bytes.
        if count > data.len() {
            return None;
        }
        let last = sizes
            .iter()
            .zip(strides)
            .try_fold(*offset, |last, (size, stride)| last.checked_add(size.saturating_sub(1).checked_mul(*stride)?))?;
        last.checked_mul(8)?;
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; sizes.len()];
        for _ in 0..count {
            let at = index.iter().zip(strides).map(|(i, stride)| i * stride).sum::<usize>() + offset;
            values.push(self.at(data, at)?);
            for (i, size) in index.iter_mut().zip(sizes).rev() {
                *i += 1;
                if *i < *size {
                    break;
                }
                *i = 0;
            }
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(offset: usize, sizes: &[usize], strides: &[usize]) -> Tensor {
        Tensor { storage: 0, offset, sizes: sizes.to_vec(), strides: strides.to_vec() }
    }

    #[test]
    fn views_follow_their_strides() {
        let data: Vec<u8> = (0..6).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let view = |offset, sizes: &[usize], strides: &[usize]| Float::F32.view(&data, &tensor(offset, sizes, strides));
        assert_eq!(view(0, &[2, 3], &[3, 1]), Some(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(view(0, &[3, 2], &[1, 3]), Some(vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(view(4, &[2], &[1]), Some(vec![4.0, 5.0]));
        assert_eq!(view(5, &[], &[]), Some(vec![5.0]));
        assert_eq!(view(0, &[0, 3], &[3, 1]), Some(vec![]));
        assert_eq!(view(4, &[3], &[1]), None);
        assert_eq!(view(0, &[usize::MAX, 2], &[1, 1]), None);
        assert_eq!(view(0, &[2], &[usize::MAX]), None);
        assert_eq!(view(0, &[1_000_000], &[0]), None);
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |bytes: &[u8]| TorchFile::read(bytes).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(refused(b"PK\x03\x04").contains("zip format"));
        assert!(refused(b"\x80\x02K\x01.").contains("no weights of PyTorch"));
        assert!(refused(b"not a pickle").contains("not allowed"));
    }
}
