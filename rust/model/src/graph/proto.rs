//! Helpers to read ONNX messages, and to build the messages that this crate writes.

use std::collections::HashSet;

use onnx_protobuf::{
    AttributeProto, GraphProto, NodeProto, StringStringEntryProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto::Dimension, type_proto,
};

use crate::graph::dim::Dim;
use crate::graph::element::Element;

/// Names of the initializers. Models of IR version 3 also list them among the graph inputs.
pub fn constant_names(graph: &GraphProto) -> HashSet<&str> {
    let dense = graph.initializer.iter().map(|t| t.name.as_str());
    dense.chain(graph.sparse_initializer.iter().map(|t| t.values.name.as_str())).collect()
}

/// The attribute with that name.
pub fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// The integers of a constant `int64` tensor.
pub fn int64_values(tensor: &TensorProto) -> Option<Vec<i64>> {
    if tensor.data_type != Element::I64.onnx() || !tensor.external_data.is_empty() {
        return None;
    }
    if !tensor.int64_data.is_empty() {
        return Some(tensor.int64_data.clone());
    }
    let chunks = tensor.raw_data.chunks_exact(8);
    chunks.map(|bytes| bytes.try_into().ok().map(i64::from_le_bytes)).collect()
}

/// An `int64` vector as a constant.
pub fn int64_tensor(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: Element::I64.onnx(),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// A `float32` constant.
pub fn float_tensor(name: &str, dims: &[i64], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: Element::F32.onnx(),
        float_data: values,
        ..TensorProto::default()
    }
}

/// A node.
pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

/// An attribute of integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: AttributeType::INTS.into(),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

/// An attribute that is an integer.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), type_: AttributeType::INT.into(), i: value, ..AttributeProto::default() }
}

/// The type of a tensor.
pub fn tensor_type(element: Element, shape: Option<&[Dim]>) -> TypeProto {
    let mut tensor = type_proto::Tensor { elem_type: element.onnx(), ..type_proto::Tensor::default() };
    if let Some(dims) = shape {
        let dim = dims.iter().map(dimension).collect();
        tensor.shape = Some(TensorShapeProto { dim, ..TensorShapeProto::default() }).into();
    }
    let mut ty = TypeProto::default();
    ty.set_tensor_type(tensor);
    ty
}

/// A typed input or output.
pub fn tensor_info(name: &str, element: Element, shape: Option<&[Dim]>) -> ValueInfoProto {
    ValueInfoProto {
        name: name.to_owned(),
        type_: Some(tensor_type(element, shape)).into(),
        ..ValueInfoProto::default()
    }
}

/// An entry of the model's metadata.
pub fn entry(key: &str, value: &str) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value: value.to_owned(), ..StringStringEntryProto::default() }
}

fn dimension(dim: &Dim) -> Dimension {
    let mut proto = Dimension::new();
    match dim {
        Dim::Fixed(n) => proto.set_dim_value(*n as i64),
        Dim::Symbol(name) => proto.set_dim_param(name.clone()),
        Dim::Any => {}
    }
    proto
}
