//! Cuts a graph at any of its tensors: everything that they do not depend on is removed.

use std::collections::{HashMap, HashSet};

use mmlrs_core::{Error, Result, edit_distance};
use onnx_protobuf::{GraphProto, ModelProto, NodeProto, ValueInfoProto};

use crate::graph::info::ModelInfo;
use crate::graph::proto::constant_names;

/// Reduces `model` to the computation of `fetches`, which become its outputs in that order. Unneeded nodes, weights and inputs
/// are removed.
pub fn cut_graph(model: &mut ModelProto, fetches: &[String]) -> Result<()> {
    for name in fetches {
        check_tensor(model, name)?;
    }
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    let needed = reachable(graph, fetches);
    let value_infos: HashMap<String, ValueInfoProto> =
        graph.value_info.iter().chain(&graph.output).map(|i| (i.name.clone(), i.clone())).collect();
    graph.node.retain(|n| n.output.iter().any(|o| !o.is_empty() && needed.contains(o)));
    graph.initializer.retain(|t| needed.contains(&t.name));
    graph.sparse_initializer.retain(|t| needed.contains(&t.values.name));
    graph.input.retain(|i| needed.contains(&i.name));
    graph.value_info.retain(|i| needed.contains(&i.name) && !fetches.contains(&i.name));
    graph.quantization_annotation.retain(|a| needed.contains(&a.tensor_name));
    graph.output = fetches
        .iter()
        .map(|name| {
            let untyped = || ValueInfoProto { name: name.clone(), ..ValueInfoProto::default() };
            value_infos.get(name).cloned().unwrap_or_else(untyped)
        })
        .collect();
    model.training_info.clear();
    if ModelInfo::from_proto(model).inputs.is_empty() {
        return Err(Error::model(format!("{} does not depend on any input of the model", quoted(fetches))));
    }
    Ok(())
}

/// Returns an error unless `name` is a tensor that the model computes.
fn check_tensor(model: &ModelProto, name: &str) -> Result<()> {
    let graph = &model.graph;
    if graph.node.iter().any(|n| n.output.iter().any(|o| o == name)) {
        return Ok(());
    }
    if constant_names(graph).contains(name) {
        return Err(Error::model(format!("`{name}` is a constant of the model, not a computed tensor")));
    }
    let outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    if graph.input.iter().any(|i| i.name == name) {
        return Err(Error::model(format!(
            "`{name}` is an input of the model, not a computed tensor; its outputs are {}",
            quoted(&outputs)
        )));
    }
    let computed = graph.node.iter().flat_map(|n| &n.output).filter(|o| !o.is_empty()).map(String::as_str);
    let near = nearest(name, computed);
    Err(Error::model(format!(
        "the model has no tensor `{name}`; its outputs are {}, and tensors with similar names are {}",
        quoted(&outputs),
        quoted(&near)
    )))
}

/// Names of all tensors that `fetches` depend on, including `fetches`. The search is by tensor rather than by node, since nodes
/// may have no name.
fn reachable(graph: &GraphProto, fetches: &[String]) -> HashSet<String> {
    let producer: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|n| n.output.iter().map(move |o| (o.as_str(), n))).collect();
    let mut needed: HashSet<String> = HashSet::new();
    let mut stack: Vec<String> = fetches.to_vec();
    while let Some(name) = stack.pop() {
        if name.is_empty() || !needed.insert(name.clone()) {
            continue;
        }
        if let Some(node) = producer.get(name.as_str()) {
            read_by(node, &mut stack);
        }
    }
    needed
}

/// The tensors that a node reads, including those that the bodies of `If`, `Loop` and `Scan` read from outside.
fn read_by(node: &NodeProto, names: &mut Vec<String>) {
    names.extend(node.input.iter().cloned());
    for attribute in &node.attribute {
        for body in attribute.g.as_ref().into_iter().chain(&attribute.graphs) {
            body.node.iter().for_each(|n| read_by(n, names));
            names.extend(body.output.iter().map(|o| o.name.clone()));
        }
    }
}

/// Up to eight names closest to `name`.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let target = name.to_lowercase();
    let mut scored: Vec<(usize, &str)> = names
        .map(|n| {
            let lower = n.to_lowercase();
            let contained = lower.contains(&target) || target.contains(&lower);
            (
                if contained {
                    0
                } else {
                    edit_distance(&target.chars().collect::<Vec<_>>(), &lower.chars().collect::<Vec<_>>())
                },
                n,
            )
        })
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(8).map(|(_, n)| n.to_owned()).collect()
}

/// Names in backquotes, for messages.
pub fn quoted(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use onnx_protobuf::{AttributeProto, Message, attribute_proto::AttributeType};

    use super::*;
    use crate::graph::proto::{float_tensor, node};

    fn sample() -> ModelProto {
        ModelProto::parse_from_bytes(&crate::sample::sample_model()).expect("the sample parses")
    }

    fn cut(fetches: &[&str]) -> Result<ModelProto> {
        let mut model = sample();
        cut_graph(&mut model, &fetches.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(model)
    }

    #[test]
    fn a_cut_keeps_only_what_leads_to_the_tensor() {
        let model = cut(&["features"]).expect("a cut");
        assert!(model.graph.node.len() < sample().graph.node.len());
        assert!(model.graph.initializer.len() < sample().graph.initializer.len());
        assert_eq!(ModelInfo::from_proto(&model).outputs[0].name, "features");
    }

    #[test]
    fn several_tensors_come_in_the_order_asked_for() {
        let model = cut(&["scores", "features"]).expect("a cut");
        let names: Vec<String> = ModelInfo::from_proto(&model).outputs.into_iter().map(|o| o.name).collect();
        assert_eq!(names, ["scores", "features"]);
    }

    #[test]
    fn an_unknown_name_lists_near_ones() {
        let message = cut(&["feature"]).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("no tensor `feature`") && message.contains("`features`"), "{message}");
    }

    #[test]
    fn an_input_or_a_constant_cannot_be_fetched() {
        let message = cut(&["x"]).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("`x` is an input"), "{message}");
        let weight = sample().graph.initializer[0].name.clone();
        let message = cut(&[&weight]).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message.contains("is a constant"), "{message}");
    }

    #[test]
    fn tensors_that_only_a_body_reads_are_kept() {
        let mut model = sample();
        let graph = model.graph.as_mut().expect("a graph");
        graph.initializer.push(float_tensor("captured", &[1], vec![1.0]));
        let body = GraphProto {
            node: vec![node("Identity", &["captured"], &["inner"], vec![])],
            output: vec![ValueInfoProto { name: "inner".into(), ..ValueInfoProto::default() }],
            ..GraphProto::default()
        };
        let branch = |name: &str| AttributeProto {
            name: name.into(),
            type_: AttributeType::GRAPH.into(),
            g: Some(body.clone()).into(),
            ..AttributeProto::default()
        };
        graph.node.push(node("If", &["features"], &["y"], vec![branch("then_branch"), branch("else_branch")]));
        cut_graph(&mut model, &["y".to_owned()]).expect("a cut");
        assert!(constant_names(&model.graph).contains("captured"));
    }
}
