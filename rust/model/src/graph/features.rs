//! Finds the feature tensor of a classifier from the structure of its graph.

use std::collections::{HashMap, HashSet};

use onnx_protobuf::{GraphProto, NodeProto};

use crate::graph::proto::constant_names;

/// Operations that only reshape, scale or repeat their input. The search from the output passes through them.
const PASSING: [&str; 21] = [
    "Softmax",
    "LogSoftmax",
    "Sigmoid",
    "Relu",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Dropout",
    "Identity",
    "Cast",
    "Add",
    "Sum",
    "Mul",
    "Sub",
    "Div",
    "BatchNormalization",
    "GlobalAveragePool",
    "AveragePool",
    "ReduceMean",
    "Transpose",
];

/// Operations that are layers. Their input is a feature tensor.
const LAYERS: [&str; 4] = ["Gemm", "MatMul", "Conv", "FusedConv"];

/// The input of the last `layers` layers before `output`: of the last `Gemm`, `MatMul` or `Conv`, of the one before it, and so
/// on. `None` if the path from the output forks earlier, for example at a residual connection.
pub fn feature_tensor(graph: &GraphProto, output: &str, layers: usize) -> Option<String> {
    let constants = constant_tensors(graph);
    let producer: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|n| n.output.iter().map(move |o| (o.as_str(), n))).collect();
    let mut name = output;
    let mut remaining = layers;
    // A graph has no cycles: this ends.
    while remaining > 0 {
        let node = producer.get(name)?;
        let mut data = node.input.iter().filter(|i| !i.is_empty() && !constants.contains(i.as_str()));
        let first = data.next()?;
        if LAYERS.contains(&node.op_type.as_str()) {
            remaining -= 1;
        } else if !PASSING.contains(&node.op_type.as_str()) || data.next().is_some() {
            return None;
        }
        name = first;
    }
    Some(name.to_owned())
}

/// Names of tensors that do not depend on an input of the graph: stored or computed weights.
fn constant_tensors(graph: &GraphProto) -> HashSet<&str> {
    let mut constants = constant_names(graph);
    for node in &graph.node {
        let has_body = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
        if !has_body && node.input.iter().all(|i| i.is_empty() || constants.contains(i.as_str())) {
            constants.extend(node.output.iter().map(String::as_str));
        }
    }
    constants
}

#[cfg(test)]
mod tests {
    use onnx_protobuf::{Message, ModelProto};

    use super::*;
    use crate::graph::proto::{float_tensor, node};

    #[test]
    fn the_features_of_the_sample_are_what_its_last_layer_reads() {
        let model = ModelProto::parse_from_bytes(&crate::sample::sample_model()).expect("the sample parses");
        assert_eq!(feature_tensor(&model.graph, "scores", 1).as_deref(), Some("features"));
        assert_eq!(feature_tensor(&model.graph, "scores", 2).as_deref(), Some("x"));
        assert_eq!(feature_tensor(&model.graph, "scores", 3), None);
    }

    #[test]
    fn a_net_that_ends_in_a_convolution_gives_the_maps_before_it() {
        let graph = GraphProto {
            node: vec![
                node("Relu", &["stem"], &["maps"], vec![]),
                node("Conv", &["maps", "w"], &["classes"], vec![]),
                node("Relu", &["classes"], &["r"], vec![]),
                node("GlobalAveragePool", &["r"], &["pooled"], vec![]),
                node("Softmax", &["pooled"], &["scores"], vec![]),
            ],
            initializer: vec![float_tensor("w", &[1], vec![0.0])],
            ..GraphProto::default()
        };
        assert_eq!(feature_tensor(&graph, "scores", 1).as_deref(), Some("maps"));
    }

    #[test]
    fn a_residual_connection_ends_the_search() {
        let graph = GraphProto {
            node: vec![node("Add", &["a", "b"], &["sum"], vec![]), node("MatMul", &["sum", "w"], &["scores"], vec![])],
            initializer: vec![float_tensor("w", &[1], vec![0.0])],
            ..GraphProto::default()
        };
        assert_eq!(feature_tensor(&graph, "scores", 1).as_deref(), Some("sum"));
        assert_eq!(feature_tensor(&graph, "scores", 2), None);
    }
}
