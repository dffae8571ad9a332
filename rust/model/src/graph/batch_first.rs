//! Rewrites a graph whose batch is not the first axis. Inputs and outputs are transposed; the graph between them is unchanged.

use onnx_protobuf::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorShapeProto, ValueInfoProto,
};

use crate::graph::proto::{constant_names, ints, node};

/// The position of the batch in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchAxis {
    /// The axis.
    pub axis: usize,
    /// The number of dimensions.
    pub rank: usize,
}

impl BatchAxis {
    /// The permutation that moves the batch to the front.
    fn front_first(self) -> Vec<i64> {
        let rest = (0..self.rank).filter(|a| *a != self.axis);
        std::iter::once(self.axis).chain(rest).map(|a| a as i64).collect()
    }

    /// The permutation that moves it back.
    fn back_again(self) -> Vec<i64> {
        (0..self.rank)
            .map(|at| match at.cmp(&self.axis) {
                std::cmp::Ordering::Less => at + 1,
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => at,
            } as i64)
            .collect()
    }
}

/// Makes the batch the first axis of the inputs and outputs whose batch is elsewhere. `inputs` are in the order of the graph's
/// inputs without constants.
pub fn make_batch_first(model: &mut ModelProto, inputs: &[Option<BatchAxis>], outputs: &[Option<BatchAxis>]) {
    let has_operators = model.opset_import.iter().any(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    if !has_operators {
        model.opset_import.push(OperatorSetIdProto { version: 13, ..OperatorSetIdProto::default() });
    }
    let Some(graph) = model.graph.as_mut() else { return };
    let constants: Vec<String> = constant_names(graph).into_iter().map(str::to_owned).collect();
    let fed = (0..graph.input.len()).filter(|at| !constants.contains(&graph.input[*at].name)).collect::<Vec<_>>();
    for (at, axis) in fed.into_iter().zip(inputs) {
        if let Some(axis) = axis.filter(|a| a.axis > 0) {
            turn_input(graph, at, axis);
        }
    }
    for (at, axis) in outputs.iter().enumerate() {
        if let Some(axis) = axis.filter(|a| a.axis > 0) {
            turn_output(graph, at, axis);
        }
    }
}

fn turn_input(graph: &mut GraphProto, at: usize, axis: BatchAxis) {
    let name = graph.input[at].name.clone();
    let inner = format!("{name}/mmlrs_inner");
    rename_reads(&mut graph.node, &name, &inner);
    graph.node.insert(0, node("Transpose", &[&name], &[&inner], vec![perm(&axis.back_again())]));
    permute(&mut graph.input[at], &axis.front_first());
}

fn turn_output(graph: &mut GraphProto, at: usize, axis: BatchAxis) {
    let name = graph.output[at].name.clone();
    let inner = format!("{name}/mmlrs_inner");
    rename_reads(&mut graph.node, &name, &inner);
    for output in graph.node.iter_mut().flat_map(|n| &mut n.output).filter(|o| **o == name) {
        output.clone_from(&inner);
    }
    graph.node.push(node("Transpose", &[&inner], &[&name], vec![perm(&axis.front_first())]));
    graph.value_info.retain(|info| info.name != name);
    permute(&mut graph.output[at], &axis.front_first());
}

fn perm(order: &[i64]) -> AttributeProto {
    ints("perm", order)
}

/// Replaces `from` by `to` in all nodes that read it, including the bodies of `If`, `Loop` and `Scan`.
fn rename_reads(nodes: &mut [NodeProto], from: &str, to: &str) {
    for node in nodes {
        for input in node.input.iter_mut().filter(|input| *input == from) {
            to.clone_into(input);
        }
        for attribute in &mut node.attribute {
            for body in attribute.g.as_mut().into_iter().chain(&mut attribute.graphs) {
                rename_reads(&mut body.node, from, to);
                for output in body.output.iter_mut().filter(|output| output.name == from) {
                    to.clone_into(&mut output.name);
                }
            }
        }
    }
}

fn permute(info: &mut ValueInfoProto, order: &[i64]) {
    let Some(ty) = info.type_.as_mut().filter(|ty| ty.has_tensor_type()) else { return };
    let tensor = ty.mut_tensor_type();
    let Some(shape) = tensor.shape.as_ref() else { return };
    if shape.dim.len() != order.len() {
        tensor.shape = None.into();
        return;
    }
    let dim = order.iter().map(|at| shape.dim[*at as usize].clone()).collect();
    tensor.shape = Some(TensorShapeProto { dim, ..TensorShapeProto::default() }).into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_front_and_back_is_the_identity() {
        for rank in 1..5 {
            for axis in 0..rank {
                let at = BatchAxis { axis, rank };
                let (to, from) = (at.front_first(), at.back_again());
                let back: Vec<i64> = from.iter().map(|a| to[*a as usize]).collect();
                assert_eq!(back, (0..rank as i64).collect::<Vec<_>>());
                assert_eq!(to[0], axis as i64);
            }
        }
    }
}
