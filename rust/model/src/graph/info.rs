//! The inputs and outputs of a model: names, element types, shapes.

use mmlrs_core::{Error, Result};
use onnx_protobuf::{ModelProto, TypeProto, ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use serde_json::{Value, json};

use crate::graph::dim::Dim;
use crate::graph::element::{Element, unreadable};
use crate::graph::proto::constant_names;

/// Maximum number of dimensions of an input or output. Arrow allows 64 nested types, and columns may be nested in others.
const MAX_RANK: usize = 32;
/// Maximum number of values in a row of an input or output, as declared by its shape: the limit of an Arrow list.
const MAX_ROW_VALUES: usize = i32::MAX as usize;

/// The type of a model's input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueKind {
    /// A tensor. The shape is `None` if even the rank is unknown.
    Tensor(Element, Option<Vec<Dim>>),
    /// A map from one scalar type to another.
    Map(Element, Element),
    /// A sequence.
    Sequence(Box<ValueKind>),
    /// An unknown type, or one that no column can hold.
    Other(String),
}

/// A model input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueInfo {
    /// Its name in the graph.
    pub name: String,
    /// Its type.
    pub kind: ValueKind,
}

/// The inputs and outputs of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelInfo {
    /// The inputs to feed: graph inputs that are not constants.
    pub inputs: Vec<ValueInfo>,
    /// The outputs.
    pub outputs: Vec<ValueInfo>,
    /// The model's own key-value metadata.
    pub metadata: Vec<(String, String)>,
}

impl ValueInfo {
    /// Reads the ONNX message.
    pub fn from_proto(info: &ValueInfoProto) -> Self {
        Self {
            name: info.name.clone(),
            kind: info.type_.as_ref().map_or_else(|| ValueKind::Other("unknown".into()), kind_of),
        }
    }

    /// The shape without the batch dimension; `None` if the rank is unknown.
    pub fn row_shape(&self) -> Option<&[Dim]> {
        match &self.kind {
            ValueKind::Tensor(_, Some(shape)) => Some(shape.get(1..).unwrap_or(&[])),
            _ => None,
        }
    }

    /// The shape; `None` if the rank is unknown.
    pub fn shape(&self) -> Option<&[Dim]> {
        match &self.kind {
            ValueKind::Tensor(_, shape) => shape.as_deref(),
            _ => None,
        }
    }

    /// The element type of a tensor.
    pub fn element(&self) -> Option<Element> {
        match self.kind {
            ValueKind::Tensor(element, _) => Some(element),
            _ => None,
        }
    }

    /// Number of values in one row, if every dimension but the first is fixed.
    pub fn row_size(&self) -> Option<usize> {
        self.row_shape()?.iter().try_fold(1_usize, |size, dim| size.checked_mul(dim.size()?))
    }

    fn to_json(&self) -> Value {
        let (ty, shape) = match &self.kind {
            ValueKind::Tensor(element, shape) => (element.name().to_owned(), shape.as_deref()),
            other => (other.words(), None),
        };
        let shape = shape.map(|dims| {
            dims.iter()
                .map(|dim| match dim {
                    Dim::Fixed(n) => json!(n),
                    Dim::Symbol(name) => json!(name),
                    Dim::Any => Value::Null,
                })
                .collect::<Vec<_>>()
        });
        json!({"name": self.name, "type": ty, "shape": shape})
    }
}

impl ValueKind {
    /// The type in words, for messages.
    pub fn words(&self) -> String {
        match self {
            Self::Tensor(element, Some(shape)) => {
                let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
                format!("{}[{}]", element.name(), dims.join(", "))
            }
            Self::Tensor(element, None) => format!("{}[...]", element.name()),
            Self::Map(key, value) => format!("map({}, {})", key.name(), value.name()),
            Self::Sequence(inner) => format!("sequence({})", inner.words()),
            Self::Other(words) => words.clone(),
        }
    }
}

impl ModelInfo {
    /// Reads the ONNX message.
    pub fn from_proto(model: &ModelProto) -> Self {
        let constants = constant_names(&model.graph);
        Self {
            inputs: model
                .graph
                .input
                .iter()
                .filter(|i| !constants.contains(i.name.as_str()))
                .map(ValueInfo::from_proto)
                .collect(),
            outputs: model.graph.output.iter().map(ValueInfo::from_proto).collect(),
            metadata: model.metadata_props.iter().map(|p| (p.key.clone(), p.value.clone())).collect(),
        }
    }

    /// Returns an error for inputs and outputs that no column can hold. The declarations in a file are untrusted.
    pub fn check(&self) -> Result<()> {
        for value in self.inputs.iter().chain(&self.outputs) {
            let refused = |cause: String| Err(Error::model(format!("`{}` {cause}", value.name.escape_debug())));
            if value.name.contains('\0') {
                return refused("has a NUL character in its name".to_owned());
            }
            let Some(shape) = value.shape() else { continue };
            if shape.len() > MAX_RANK {
                return refused(format!("has {} dimensions; the maximum is {MAX_RANK}", shape.len()));
            }
            let row = shape.iter().skip(1).filter_map(Dim::size).try_fold(1_usize, usize::checked_mul);
            if row.is_none_or(|count| count > MAX_ROW_VALUES) {
                return refused(format!(
                    "has the shape [{}], which has more than {MAX_ROW_VALUES} values per row",
                    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                ));
            }
        }
        Ok(())
    }

    /// The input with that name.
    pub fn input(&self, name: &str) -> Option<&ValueInfo> {
        self.inputs.iter().find(|i| i.name == name)
    }

    /// The output with that name.
    pub fn output(&self, name: &str) -> Option<&ValueInfo> {
        self.outputs.iter().find(|o| o.name == name)
    }

    /// A value of the model's metadata.
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// `{"inputs": [{"name", "type", "shape"}], "outputs": [...], "metadata": {...}}`. In a shape a number is a fixed size, a
    /// string a named size and null an unknown size.
    pub fn to_json(&self) -> Value {
        json!({
            "inputs": self.inputs.iter().map(ValueInfo::to_json).collect::<Vec<_>>(),
            "outputs": self.outputs.iter().map(ValueInfo::to_json).collect::<Vec<_>>(),
            "metadata": self.metadata.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>(),
        })
    }
}

fn kind_of(ty: &TypeProto) -> ValueKind {
    let unknown = || ValueKind::Other("unknown".into());
    match &ty.value {
        Some(type_proto::Value::TensorType(tensor)) => Element::from_onnx(tensor.elem_type).map_or_else(
            || ValueKind::Other(unreadable(tensor.elem_type)),
            |element| ValueKind::Tensor(element, tensor.shape.as_ref().map(|s| s.dim.iter().map(dim_of).collect())),
        ),
        Some(type_proto::Value::MapType(map)) => {
            let value = map.value_type.as_ref().map_or_else(unknown, kind_of);
            match (Element::from_onnx(map.key_type), value) {
                (Some(key), ValueKind::Tensor(value, _)) => ValueKind::Map(key, value),
                (_, other) => ValueKind::Other(format!("map of {}", other.words())),
            }
        }
        Some(type_proto::Value::SequenceType(sequence)) => {
            ValueKind::Sequence(Box::new(sequence.elem_type.as_ref().map_or_else(unknown, kind_of)))
        }
        Some(type_proto::Value::OptionalType(_)) => ValueKind::Other("optional".into()),
        Some(type_proto::Value::SparseTensorType(_)) => ValueKind::Other("sparse tensor".into()),
        _ => unknown(),
    }
}

fn dim_of(dim: &onnx_protobuf::tensor_shape_proto::Dimension) -> Dim {
    match &dim.value {
        Some(dimension::Value::DimValue(n)) if *n > 0 => Dim::Fixed(*n as usize),
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => Dim::Symbol(name.clone()),
        _ => Dim::Any,
    }
}
