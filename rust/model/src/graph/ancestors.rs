//! Which operators a tensor depends on.

use std::collections::{HashMap, HashSet};

use onnx_protobuf::{GraphProto, NodeProto};

/// Whether a tensor depends on an operator of this type.
pub fn depends_on(graph: &GraphProto, tensor: &str, op_type: &str) -> bool {
    let makers: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
    let (mut seen, mut open) = (HashSet::new(), vec![tensor]);
    while let Some(name) = open.pop() {
        let Some(node) = makers.get(name).filter(|_| seen.insert(name)) else { continue };
        if node.op_type == op_type {
            return true;
        }
        open.extend(node.input.iter().map(String::as_str));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::proto::node;

    #[test]
    fn only_operators_before_a_tensor_count() {
        let graph = GraphProto {
            node: vec![
                node("Exp", &["x"], &["e"], vec![]),
                node("Add", &["e", "sum"], &["sum"], vec![]),
                node("Relu", &["x"], &["r"], vec![]),
            ],
            ..GraphProto::default()
        };
        assert!(depends_on(&graph, "sum", "Exp") && depends_on(&graph, "sum", "Add"));
        assert!(
            !depends_on(&graph, "r", "Exp") && !depends_on(&graph, "sum", "Relu") && !depends_on(&graph, "x", "Exp")
        );
    }
}
