//! A program: a small DAG of native stages over source columns, run on one batch at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::Field;
use mmlrs_core::{Block, Column, Context, Counter, Error, Result, sha256_hex};
use serde_json::json;

use crate::handle::StagePlan;
use crate::memo::{self, NodeKey, NodeResult, SourceKey};
use crate::node::{Node, errors, special_field};
use crate::spec::{NodeSpec, ProgramSpec, Ref};

/// Stages bound to source columns, and the values to compute.
pub struct Program {
    sources: usize,
    nodes: Vec<Node>,
    outputs: Vec<Ref>,
    id: Arc<str>,
}

/// One computed value.
#[derive(Debug, Clone)]
pub struct ProgramOutput {
    /// Name, type and metadata.
    pub field: Field,
    /// The values.
    pub array: ArrayRef,
}

impl Program {
    /// Reads a [`ProgramSpec`] and builds its stages.
    pub fn parse(text: &str) -> Result<Self> {
        let spec: ProgramSpec =
            serde_json::from_str(text).map_err(|e| Error::param("program", format!("cannot be read: {e}")))?;
        let mut nodes: Vec<Node> = Vec::with_capacity(spec.nodes.len());
        for item in &spec.nodes {
            let (stage, inputs) = Node::build(item)?;
            for (_, reference) in &inputs {
                check_ref(reference, spec.sources, &nodes)?;
            }
            let (prefix, used) = prefix_of(item, &inputs, &nodes);
            nodes.push(Node::new(Arc::new(stage), inputs, prefix.into(), used));
        }
        for reference in &spec.outputs {
            check_ref(reference, spec.sources, &nodes)?;
        }
        Ok(Self { sources: spec.sources, nodes, outputs: spec.outputs, id: text.into() })
    }

    /// A program of one planned stage over the columns it reads, in its order. It computes all columns of the stage, then the
    /// errors and the mask if requested. Its results are not shared.
    pub fn of(plan: &StagePlan, with_errors: bool, with_mask: bool) -> Result<Self> {
        let names = plan.stage.input_columns()?;
        let sources = names.len();
        let inputs = names.into_iter().enumerate().map(|(i, name)| (name, Ref::Source(i))).collect();
        let node = Node::new(plan.stage.clone(), inputs, "".into(), (0..sources).collect());
        let mut outputs: Vec<Ref> = plan.fields.iter().map(|field| Ref::Column(0, field.name().clone())).collect();
        outputs.extend(with_errors.then_some(Ref::Errors(0)));
        outputs.extend(with_mask.then_some(Ref::Mask(0)));
        Ok(Self { sources, nodes: vec![node], outputs, id: "".into() })
    }

    /// Computes the outputs of one batch. With `share`, results are kept for the next program that starts with the same stages
    /// and reads the same buffers.
    pub fn run(&self, sources: &[(Field, ArrayRef)], cx: Context, share: bool) -> Result<Vec<ProgramOutput>> {
        self.check_sources(sources.len())?;
        Counter::ProgramRuns.add(1);
        let rows = sources.first().map_or(0, |(_, array)| array.len());
        let keyed: Vec<(SourceKey, ArrayRef)> =
            sources.iter().map(|(_, array)| (SourceKey::of(array), array.clone())).collect();
        if share {
            memo::begin(&self.id, &keyed);
        }
        let run = Run { program: self, sources, keys: &keyed, rows, cx, share };
        let mut done: HashMap<usize, Arc<NodeResult>> = HashMap::new();
        self.outputs.iter().map(|reference| run.output(reference, &mut done)).collect()
    }

    fn check_sources(&self, n: usize) -> Result<()> {
        if n == self.sources {
            return Ok(());
        }
        Err(Error::runtime(format!("the program reads {} columns, got {n}", self.sources)))
    }
}

/// One run of a program on one batch.
struct Run<'a> {
    program: &'a Program,
    sources: &'a [(Field, ArrayRef)],
    keys: &'a [(SourceKey, ArrayRef)],
    rows: usize,
    cx: Context,
    share: bool,
}

type Done = HashMap<usize, Arc<NodeResult>>;

impl Run<'_> {
    fn output(&self, reference: &Ref, done: &mut Done) -> Result<ProgramOutput> {
        let index = match reference {
            Ref::Source(i) => {
                let (field, array) = &self.sources[*i];
                return Ok(ProgramOutput { field: field.clone(), array: array.clone() });
            }
            Ref::Column(i, _) | Ref::Errors(i) | Ref::Mask(i) => *i,
        };
        let node = &self.program.nodes[index];
        if self.share {
            memo::request(&node.prefix);
        }
        let result = self.arrow_node(index, done)?;
        let special = |array| ProgramOutput { field: special_field(reference), array };
        match reference {
            Ref::Column(_, name) => {
                let column = column_of(&result, name)?;
                Ok(ProgramOutput { field: column.field(name), array: column.to_arrow(&self.cx)? })
            }
            Ref::Mask(_) => Ok(special(node.mask(&result.invalid, self.rows))),
            Ref::Errors(_) | Ref::Source(_) => Ok(special(errors(&result.invalid, self.rows))),
        }
    }

    /// The node's result with every column converted to Arrow.
    fn arrow_node(&self, index: usize, done: &mut Done) -> Result<Arc<NodeResult>> {
        let result = self.node(index, done)?;
        if result.columns.iter().all(|c| matches!(c, Column::Arrow(..))) {
            return Ok(result);
        }
        let result = Arc::new(self.program.nodes[index].materialize(&result, self.cx)?);
        self.remember(index, &result, done);
        Ok(result)
    }

    fn node(&self, index: usize, done: &mut Done) -> Result<Arc<NodeResult>> {
        let node = &self.program.nodes[index];
        if let Some(result) = done.get(&index) {
            return Ok(result.clone());
        }
        if self.share
            && let Some(result) = memo::get(&self.key(node))
        {
            done.insert(index, result.clone());
            return Ok(result);
        }
        let mut columns = Vec::with_capacity(node.inputs.len());
        for (name, reference) in &node.inputs {
            columns.push((name.clone(), self.input(reference, done)?));
        }
        let mut result = node.run(&Block::new(self.rows, columns)?, self.cx)?;
        if self.share && memo::is_requested(&node.prefix) {
            result = node.materialize(&result, self.cx)?;
        }
        let result = Arc::new(result);
        self.remember(index, &result, done);
        Ok(result)
    }

    fn input(&self, reference: &Ref, done: &mut Done) -> Result<Column> {
        match reference {
            Ref::Source(i) => {
                let (field, array) = &self.sources[*i];
                Ok(Column::Arrow(array.clone(), field.metadata().clone()))
            }
            Ref::Column(i, name) => Ok(column_of(&*self.node(*i, done)?, name)?.clone()),
            Ref::Errors(i) => Ok(Column::arrow(errors(&self.arrow_node(*i, done)?.invalid, self.rows))),
            Ref::Mask(i) => {
                let result = self.arrow_node(*i, done)?;
                Ok(Column::arrow(self.program.nodes[*i].mask(&result.invalid, self.rows)))
            }
        }
    }

    fn remember(&self, index: usize, result: &Arc<NodeResult>, done: &mut Done) {
        done.insert(index, result.clone());
        if self.share {
            memo::put(self.key(&self.program.nodes[index]), result.clone());
        }
    }

    fn key(&self, node: &Node) -> NodeKey {
        NodeKey { prefix: node.prefix.clone(), sources: node.sources.iter().map(|i| self.keys[*i].0.clone()).collect() }
    }
}

fn column_of<'a>(result: &'a NodeResult, name: &str) -> Result<&'a Column> {
    result
        .names
        .iter()
        .position(|n| n == name)
        .map(|i| &result.columns[i])
        .ok_or_else(|| Error::column_not_found(name, &result.names))
}

fn check_ref(reference: &Ref, sources: usize, nodes: &[Node]) -> Result<()> {
    let exists = match reference {
        Ref::Source(i) => *i < sources,
        _ => reference.node().is_some_and(|i| i < nodes.len()),
    };
    if exists { Ok(()) } else { Err(Error::param("program", format!("has an invalid reference: {reference:?}"))) }
}

/// The identity of a node and of all nodes before it, in any program: the SHA-256 of its params and of the identities of its
/// input nodes, with sources numbered by first use. Also returns those sources in that order. It is a digest rather than text,
/// since each stage of a chain would quote the text of the one before it, and the text would double with every stage.
fn prefix_of(item: &NodeSpec, inputs: &[(String, Ref)], nodes: &[Node]) -> (String, Vec<usize>) {
    let mut sources: Vec<usize> = Vec::new();
    let number = |source: usize, sources: &mut Vec<usize>| {
        sources.iter().position(|s| *s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        })
    };
    let mut bound = Vec::new();
    for (name, reference) in inputs {
        let text = match reference {
            Ref::Source(i) => format!("source {}", number(*i, &mut sources)),
            Ref::Column(i, _) | Ref::Errors(i) | Ref::Mask(i) => {
                let renumbered: Vec<usize> = nodes[*i].sources.iter().map(|s| number(*s, &mut sources)).collect();
                let what = match reference {
                    Ref::Column(_, column) => column.as_str(),
                    Ref::Errors(_) => "\u{0}errors",
                    _ => "\u{0}mask",
                };
                format!("{}{renumbered:?}.{what}", nodes[*i].prefix)
            }
        };
        bound.push((name.clone(), text));
    }
    let text = json!([item.stage, item.uid, item.params, bound]).to_string();
    (sha256_hex(text.as_bytes()), sources)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A chain of stages, each of which reads the output of the one before it. The first reads the source with that number.
    fn chain(stages: usize, source: usize) -> Result<Program> {
        let node = |i: usize| {
            let input = if i == 0 { json!({"source": source}) } else { json!({"column": [i - 1, format!("c{i}")]}) };
            let params = json!({"inputCol": format!("c{i}"), "outputCol": format!("c{}", i + 1)}).to_string();
            let uid = format!("stage{i}");
            json!({"stage": "UnicodeNormalize", "uid": uid, "params": params, "inputs": {format!("c{i}"): input}})
        };
        let nodes: Vec<Value> = (0..stages).map(node).collect();
        let output = json!({"column": [stages - 1, format!("c{stages}")]});
        let text = json!({"sources": source + 1, "nodes": nodes, "outputs": [output]}).to_string();
        Program::parse(&text)
    }

    #[test]
    fn what_stands_for_a_stage_does_not_grow_along_a_chain() -> Result<()> {
        let program = chain(100, 0)?;
        assert!(program.nodes.iter().all(|node| node.prefix.len() == program.nodes[0].prefix.len()));
        Ok(())
    }

    #[test]
    fn equal_beginnings_of_two_programs_are_recognized_whatever_number_their_source_has() -> Result<()> {
        let (short, long) = (chain(2, 0)?, chain(4, 3)?);
        assert_eq!(short.nodes[1].prefix, long.nodes[1].prefix);
        assert_eq!((&short.nodes[1].sources, &long.nodes[1].sources), (&vec![0], &vec![3]));
        assert_ne!(long.nodes[1].prefix, long.nodes[2].prefix);
        Ok(())
    }
}
