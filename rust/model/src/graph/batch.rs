//! Makes a fixed batch dimension of a graph dynamic.

use std::collections::{HashMap, HashSet};

use onnx_protobuf::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

use crate::graph::info::ModelInfo;
use crate::graph::proto::{attribute, constant_names, int64_tensor, int64_values};

/// The name of the batch dimension.
const BATCH: &str = "mmlrs_batch";

/// The fixed batch size of the graph; `None` if it is free, or if the inputs disagree.
pub fn fixed_batch(info: &ModelInfo) -> Option<usize> {
    let mut sizes = info.inputs.iter().filter_map(|i| match i.shape() {
        Some([first, ..]) => first.size(),
        // A scalar has no batch dimension: one row per run.
        Some([]) => Some(1),
        None => None,
    });
    let first = sizes.next()?;
    sizes.all(|s| s == first).then_some(first)
}

/// Rewrites a graph of batch size `batch` so that it should accept any number of rows. The first dimensions of inputs and
/// outputs become symbolic, and stored shapes of intermediate tensors are removed. Each `Reshape` of data whose constant target
/// starts with the batch size computes that dimension instead. The caller must verify the result.
pub fn make_dynamic(model: &mut ModelProto, batch: usize) {
    let Some(graph) = model.graph.as_mut() else { return };
    let constants: HashSet<String> = constant_names(graph).into_iter().map(str::to_owned).collect();
    for info in &mut graph.input {
        if !constants.contains(&info.name) {
            free_first_dimension(info, batch);
        }
    }
    for info in &mut graph.output {
        free_first_dimension(info, batch);
    }
    graph.value_info.clear();
    patch_reshapes(graph, batch as i64);
}

fn free_first_dimension(info: &mut ValueInfoProto, batch: usize) {
    let Some(ty) = info.type_.as_mut() else { return };
    if !ty.has_tensor_type() {
        return;
    }
    let Some(shape) = ty.mut_tensor_type().shape.as_mut() else { return };
    if let Some(first) = shape.dim.first_mut()
        && first.dim_value() == batch as i64
    {
        first.set_dim_param(BATCH.to_owned());
    }
}

fn patch_reshapes(graph: &mut GraphProto, batch: i64) {
    let shapes = constant_shapes(graph);
    let data = depends_on_inputs(graph);
    let mut added: Vec<(String, Vec<i64>)> = Vec::new();
    for node in &mut graph.node {
        let [input, target, ..] = node.input.as_slice() else { continue };
        if node.op_type != "Reshape" || !data.contains(input) {
            continue;
        }
        let Some(dims) = shapes.get(target).and_then(|dims| free_batch(dims, batch)) else { continue };
        let name = format!("{target}/{BATCH}");
        node.input[1].clone_from(&name);
        if !added.iter().any(|(n, _)| *n == name) {
            added.push((name, dims));
        }
    }
    graph.initializer.extend(added.iter().map(|(name, dims)| int64_tensor(name, dims)));
}

/// The target shape with its first dimension computed: -1 (from the number of elements), or 0 (copied from the data) if another
/// dimension is -1 already. `None` if it does not start with the batch size.
fn free_batch(dims: &[i64], batch: i64) -> Option<Vec<i64>> {
    if dims.first() != Some(&batch) || dims.len() < 2 {
        return None;
    }
    let mut dims = dims.to_vec();
    dims[0] = if dims.contains(&-1) { 0 } else { -1 };
    Some(dims)
}

/// Constant `int64` vectors by name: initializers and outputs of `Constant` nodes.
fn constant_shapes(graph: &GraphProto) -> HashMap<String, Vec<i64>> {
    let from_nodes = graph.node.iter().filter(|n| n.op_type == "Constant").filter_map(|node| {
        let name = node.output.first()?.clone();
        let tensor = attribute(node, "value").and_then(|a| a.t.as_ref()).and_then(int64_values);
        let ints = || attribute(node, "value_ints").map(|a| a.ints.clone());
        Some((name, tensor.or_else(ints)?))
    });
    let from_weights = graph.initializer.iter().filter_map(|t| Some((t.name.clone(), int64_values(t)?)));
    from_weights.chain(from_nodes).collect()
}

/// Names of the tensors that depend on the inputs.
fn depends_on_inputs(graph: &GraphProto) -> HashSet<String> {
    let constants = constant_names(graph);
    let mut data: HashSet<String> =
        graph.input.iter().filter(|i| !constants.contains(i.name.as_str())).map(|i| i.name.clone()).collect();
    // Nodes are in topological order.
    for node in &graph.node {
        if node_reads(node, &data) {
            data.extend(node.output.iter().filter(|o| !o.is_empty()).cloned());
        }
    }
    data
}

/// Whether the graph contains operations that work for one batch size only, although it declares a free one. Exporters that
/// trace one row produce such models. Only a trial can verify it.
pub fn may_bake_batch(graph: &GraphProto) -> bool {
    let shapes = constant_shapes(graph);
    let rows = carries_rows(graph);
    graph.node.iter().any(|node| {
        let input = |at: usize| node.input.get(at).map(String::as_str).filter(|name| !name.is_empty());
        let is_data = |at: usize| input(at).is_some_and(|name| rows.contains(name));
        let first_of = |at: usize| input(at).and_then(|name| shapes.get(name)).and_then(|dims| dims.first()).copied();
        let int = |name: &str, default: i64| attribute(node, name).map_or(default, |a| a.i);
        match node.op_type.as_str() {
            "Reshape" => is_data(0) && first_of(1).is_some_and(|first| first > 0),
            "Expand" => is_data(0) && first_of(1).is_some_and(|first| first > 1),
            "Resize" => is_data(0) && first_of(3).is_some(),
            "Squeeze" => {
                let axes = attribute(node, "axes").map(|a| a.ints.clone());
                let axes = axes.or_else(|| shapes.get(input(1)?).cloned());
                is_data(0) && axes.is_none_or(|axes| axes.contains(&0))
            }
            "Flatten" => is_data(0) && int("axis", 1) == 0,
            "Gather" => is_data(0) && !is_data(1) && int("axis", 0) == 0,
            "Concat" => {
                let data = (0..node.input.len()).filter(|at| is_data(*at)).count();
                int("axis", 1) != 0 && data > 0 && data < node.input.len()
            }
            "LSTM" | "GRU" | "RNN" => input(5).is_some() && !is_data(5),
            _ => false,
        }
    })
}

/// Names of the tensors with data from the rows. Tensors that depend only on the sizes of inputs are not included.
fn carries_rows(graph: &GraphProto) -> HashSet<String> {
    let constants = constant_names(graph);
    let mut data: HashSet<String> =
        graph.input.iter().filter(|i| !constants.contains(i.name.as_str())).map(|i| i.name.clone()).collect();
    for node in &graph.node {
        if !matches!(node.op_type.as_str(), "Shape" | "Size" | "ConstantOfShape") && node_reads(node, &data) {
            data.extend(node.output.iter().filter(|o| !o.is_empty()).cloned());
        }
    }
    data
}

fn node_reads(node: &NodeProto, data: &HashSet<String>) -> bool {
    node.input.iter().any(|i| data.contains(i))
        || node.attribute.iter().any(|a| {
            a.g.as_ref().into_iter().chain(&a.graphs).any(|body| body.node.iter().any(|n| node_reads(n, data)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::dim::Dim;

    #[test]
    fn a_fixed_batch_is_found_only_when_the_inputs_agree() {
        let model = |dims: &[&[i64]]| {
            let inputs = dims.iter().enumerate().map(|(i, shape)| {
                let shape: Vec<Dim> =
                    shape.iter().map(|d| if *d > 0 { Dim::Fixed(*d as usize) } else { Dim::Any }).collect();
                crate::graph::proto::tensor_info(&format!("x{i}"), crate::Element::F32, Some(&shape))
            });
            let graph = GraphProto { input: inputs.collect(), ..GraphProto::default() };
            ModelInfo::from_proto(&ModelProto { graph: Some(graph).into(), ..ModelProto::default() })
        };
        assert_eq!(fixed_batch(&model(&[&[1, 3]])), Some(1));
        assert_eq!(fixed_batch(&model(&[&[-1, 3]])), None);
        assert_eq!(fixed_batch(&model(&[&[8, 3], &[8]])), Some(8));
        assert_eq!(fixed_batch(&model(&[&[1, 3], &[4]])), None);
        assert_eq!(fixed_batch(&model(&[&[]])), Some(1));
    }

    #[test]
    fn a_reshape_target_computes_its_first_dimension() {
        assert_eq!(free_batch(&[1, 9216], 1), Some(vec![-1, 9216]));
        assert_eq!(free_batch(&[1, -1], 1), Some(vec![0, -1]));
        assert_eq!(free_batch(&[1000, 1024], 1), None);
        assert_eq!(free_batch(&[1], 1), None);
    }
}
