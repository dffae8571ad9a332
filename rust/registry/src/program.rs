//! A program: a small DAG of native stages over source columns, run on one batch at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Column, Context, Counter, Error, Result, sha256_hex};
use serde_json::{Map, Value, json};

use crate::memo::{self, NodeKey, NodeResult, SourceKey};
use crate::node::{Node, Ref, reasons, special_field};

/// Stages bound to source columns, and the values to compute.
///
/// As JSON: `{"sources": n, "nodes": [{"stage", "uid", "params", "inputs": {column: ref}}], "outputs": [ref]}` with
/// `ref` one of `{"source": i}`, `{"node": i, "column": name}`, `{"node": i, "what": "reasons" | "valid"}`. Nodes refer
/// only to nodes before them.
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
    /// Parses a program and builds its stages.
    pub fn parse(text: &str) -> Result<Self> {
        let value: Value =
            serde_json::from_str(text).map_err(|e| Error::param("program", format!("is not JSON: {e}")))?;
        let sources = value.get("sources").and_then(Value::as_u64).unwrap_or_default() as usize;
        let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut nodes: Vec<Node> = Vec::new();
        for item in list("nodes") {
            let (built, inputs) = Node::parse(&item)?;
            for (_, reference) in &inputs {
                check_ref(reference, sources, &nodes)?;
            }
            let (prefix, used) = prefix_of(&item, &inputs, &nodes);
            nodes.push(Node { built, inputs, prefix: prefix.into(), sources: used });
        }
        let outputs: Vec<Ref> = list("outputs").iter().map(Ref::parse).collect::<Result<_>>()?;
        for reference in &outputs {
            check_ref(reference, sources, &nodes)?;
        }
        Ok(Self { sources, nodes, outputs, id: text.into() })
    }

    /// The fields of the outputs for source columns of these types.
    pub fn output_fields(&self, sources: &[Field]) -> Result<Vec<Field>> {
        let made = self.node_fields(sources)?;
        self.outputs.iter().map(|reference| field_of(reference, sources, &made)).collect()
    }

    /// The fields that the last stage adds for source columns of these types.
    pub fn announce(&self, sources: &[Field]) -> Result<Vec<Field>> {
        Ok(self.node_fields(sources)?.pop().unwrap_or_default())
    }

    /// Params of the last stage that follow from source columns of these types.
    pub fn bound_params(&self, sources: &[Field]) -> Result<Map<String, Value>> {
        let Some((last, before)) = self.nodes.split_last() else { return Ok(Map::new()) };
        let made = fields_of(before, sources)?;
        let input = input_of(last, sources, &made)?;
        last.built.check_types(&input)?;
        last.built.transform.bound_params(&input).map_err(|e| e.at_stage(last.built.spec.name))
    }

    fn node_fields(&self, sources: &[Field]) -> Result<Vec<Vec<Field>>> {
        self.check_sources(sources.len())?;
        fields_of(&self.nodes, sources)
    }

    /// The stages' notes to the user.
    pub fn notes(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        for node in &self.nodes {
            for note in node.built.transform.notes().map_err(|e| e.at_stage(node.built.spec.name))? {
                notes.push(format!("{}: {note}", node.built.spec.name));
            }
        }
        Ok(notes)
    }

    /// Computes the outputs of one batch. With `share`, results stay for the next program that begins alike and sees
    /// the same buffers.
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
        Err(Error::runtime(format!("the program reads {} columns and was given {n}", self.sources)))
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
            Ref::Column(i, _) | Ref::Reasons(i) | Ref::Valid(i) => *i,
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
            Ref::Valid(_) => Ok(special(node.valid(&result.invalid, self.rows))),
            Ref::Reasons(_) | Ref::Source(_) => Ok(special(reasons(&result.invalid, self.rows))),
        }
    }

    /// The node's result with every column in Arrow.
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
            Ref::Reasons(i) => Ok(Column::arrow(reasons(&self.arrow_node(*i, done)?.invalid, self.rows))),
            Ref::Valid(i) => {
                let result = self.arrow_node(*i, done)?;
                Ok(Column::arrow(self.program.nodes[*i].valid(&result.invalid, self.rows)))
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

/// What each node adds.
fn fields_of(nodes: &[Node], sources: &[Field]) -> Result<Vec<Vec<Field>>> {
    let mut made: Vec<Vec<Field>> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let fields = node.output_fields(&input_of(node, sources, &made)?)?;
        made.push(fields);
    }
    Ok(made)
}

/// What a node reads, by the names it uses.
fn input_of(node: &Node, sources: &[Field], made: &[Vec<Field>]) -> Result<Schema> {
    let fields: Vec<Field> = node
        .inputs
        .iter()
        .map(|(name, reference)| Ok(field_of(reference, sources, made)?.with_name(name)))
        .collect::<Result<_>>()?;
    Ok(Schema::new(fields))
}

fn column_of<'a>(result: &'a NodeResult, name: &str) -> Result<&'a Column> {
    result
        .names
        .iter()
        .position(|n| n == name)
        .map(|i| &result.columns[i])
        .ok_or_else(|| Error::column_not_found(name, &result.names))
}

fn field_of(reference: &Ref, sources: &[Field], made: &[Vec<Field>]) -> Result<Field> {
    match reference {
        Ref::Source(i) => Ok(sources[*i].clone()),
        Ref::Column(i, name) => made[*i].iter().find(|f| f.name() == name).cloned().ok_or_else(|| {
            let names: Vec<String> = made[*i].iter().map(|f| f.name().clone()).collect();
            Error::column_not_found(name, &names)
        }),
        Ref::Reasons(_) | Ref::Valid(_) => Ok(special_field(reference)),
    }
}

fn check_ref(reference: &Ref, sources: usize, nodes: &[Node]) -> Result<()> {
    let ok = match reference {
        Ref::Source(i) => *i < sources,
        Ref::Column(i, _) | Ref::Reasons(i) | Ref::Valid(i) => *i < nodes.len(),
    };
    if ok { Ok(()) } else { Err(Error::param("program", format!("has a reference to nothing: {reference:?}"))) }
}

/// What stands for the node and all before it, in whatever program: the SHA-256 of its params and of what stands for the
/// nodes that it reads, with sources numbered by first use. Also those sources in that order. (A digest and not the text:
/// each stage of a chain would quote the text of the one before it, and twice as long a text after every stage.)
fn prefix_of(item: &Value, inputs: &[(String, Ref)], nodes: &[Node]) -> (String, Vec<usize>) {
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
            Ref::Column(i, _) | Ref::Reasons(i) | Ref::Valid(i) => {
                let renumbered: Vec<usize> = nodes[*i].sources.iter().map(|s| number(*s, &mut sources)).collect();
                let what = match reference {
                    Ref::Column(_, column) => column.as_str(),
                    Ref::Reasons(_) => "\u{0}reasons",
                    _ => "\u{0}valid",
                };
                format!("{}{renumbered:?}.{what}", nodes[*i].prefix)
            }
        };
        bound.push((name.clone(), text));
    }
    let text = json!([item.get("stage"), item.get("uid"), item.get("params"), bound]).to_string();
    (sha256_hex(text.as_bytes()), sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of stages, each of which reads what the one before it makes; the first reads the source of that number.
    fn chain(stages: usize, source: usize) -> Result<Program> {
        let node = |i: usize| {
            let input =
                if i == 0 { json!({"source": source}) } else { json!({"node": i - 1, "column": format!("c{i}")}) };
            let params = json!({"inputCol": format!("c{i}"), "outputCol": format!("c{}", i + 1)});
            let uid = format!("stage{i}");
            json!({"stage": "UnicodeNormalize", "uid": uid, "params": params, "inputs": {format!("c{i}"): input}})
        };
        let nodes: Vec<Value> = (0..stages).map(node).collect();
        let output = json!({"node": stages - 1, "column": format!("c{stages}")});
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
    fn equal_beginnings_of_two_programs_are_recognised_whatever_number_their_source_has() -> Result<()> {
        let (short, long) = (chain(2, 0)?, chain(4, 3)?);
        assert_eq!(short.nodes[1].prefix, long.nodes[1].prefix);
        assert_eq!((&short.nodes[1].sources, &long.nodes[1].sources), (&vec![0], &vec![3]));
        assert_ne!(long.nodes[1].prefix, long.nodes[2].prefix);
        Ok(())
    }
}
