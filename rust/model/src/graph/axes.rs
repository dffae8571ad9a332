//! The batch axis of each input and output, from the sizes and names that the graph declares.

use std::collections::HashSet;

use crate::graph::dim::Dim;
use crate::graph::info::{ModelInfo, ValueInfo, ValueKind};

/// The batch axes that a graph declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axes {
    /// The axis of each input; 0 if none is declared.
    pub inputs: Vec<usize>,
    /// The axis of each output; `None` if none is declared.
    pub outputs: Vec<Option<usize>>,
    /// Whether the declarations of the inputs are unambiguous.
    pub sure: bool,
    /// Names of the batch dimensions.
    symbols: HashSet<String>,
}

impl Axes {
    /// Reads the declarations of a model.
    pub fn declared(info: &ModelInfo) -> Self {
        let first: Vec<(usize, bool)> = info.inputs.iter().map(|i| input_axis(i.shape().unwrap_or(&[]))).collect();
        let mut symbols: HashSet<String> = HashSet::new();
        for (input, (axis, sure)) in info.inputs.iter().zip(&first) {
            if let (true, Some(name)) = (sure, symbol_at(input, *axis)) {
                symbols.insert(name.to_owned());
            }
        }
        let mut declared = Self { inputs: Vec::new(), outputs: Vec::new(), sure: true, symbols };
        for (input, (own, certain)) in info.inputs.iter().zip(first) {
            let (axis, sure) = declared.shared_axis(input, own, certain);
            declared.inputs.push(axis);
            declared.sure &= sure;
        }
        // Some exporters use two names for the batch, but then it is not certain which of them is the batch.
        declared.sure &= declared.symbols.len() <= 1 || declared.symbols.iter().all(|name| is_batch(name));
        declared.outputs = info.outputs.iter().map(|output| declared.of_output(output, info)).collect();
        declared
    }

    /// The axis of an input that has the batch dimension of another input at one of its own axes.
    fn shared_axis(&self, input: &ValueInfo, axis: usize, sure: bool) -> (usize, bool) {
        let shared = self.symbol_axes(input.shape().unwrap_or(&[]));
        match shared.as_slice() {
            [] => (axis, sure),
            [one] => (*one, true),
            several => (if several.contains(&axis) { axis } else { several[0] }, false),
        }
    }

    fn symbol_axes(&self, shape: &[Dim]) -> Vec<usize> {
        let is_batch = |dim: &Dim| matches!(dim, Dim::Symbol(name) if self.symbols.contains(name));
        (0..shape.len()).filter(|at| is_batch(&shape[*at])).collect()
    }

    /// The batch axis of an output, if its shape determines it.
    pub fn of_output(&self, output: &ValueInfo, info: &ModelInfo) -> Option<usize> {
        if matches!(output.kind, ValueKind::Sequence(_)) {
            // One item per row, or a type that no column can hold.
            return Some(0);
        }
        let shape = output.shape()?;
        match self.symbol_axes(shape).as_slice() {
            [one] => return Some(*one),
            [0, ..] => return Some(0),
            _ => {}
        }
        if let Some(at) = shape.iter().position(|dim| matches!(dim, Dim::Symbol(name) if is_batch(name))) {
            return Some(at);
        }
        let (input, axis) = info.inputs.iter().zip(&self.inputs).find(|(input, _)| input.shape().is_some())?;
        let size = input.shape()?.get(*axis)?.size()?;
        let has = |at: usize| shape.get(at).and_then(Dim::size) == Some(size);
        if has(*axis) { Some(*axis) } else { (0..shape.len()).find(|at| has(*at)) }
    }

    /// Whether every declared batch axis is the first axis.
    pub fn batch_first(&self) -> bool {
        self.inputs.iter().all(|a| *a == 0) && self.outputs.iter().all(|a| a.is_none_or(|a| a == 0))
    }
}

fn symbol_at(input: &ValueInfo, axis: usize) -> Option<&str> {
    match input.shape()?.get(axis)? {
        Dim::Symbol(name) => Some(name),
        _ => None,
    }
}

/// The batch axis of an input from its own shape, and whether it is certain.
fn input_axis(shape: &[Dim]) -> (usize, bool) {
    let named =
        |test: &dyn Fn(&str) -> bool| shape.iter().position(|dim| matches!(dim, Dim::Symbol(name) if test(name)));
    if let Some(at) = named(&is_batch) {
        return (at, true);
    }
    let maybe = named(&|name| matches!(name.to_lowercase().as_str(), "n" | "b"));
    match shape {
        [Dim::Symbol(name), second, ..] if is_sequence(name) => match (maybe, second) {
            (Some(at), _) => (at, true),
            // Sequences from an exporter that fixed their number.
            (None, Dim::Fixed(1)) if shape.len() > 2 => (1, true),
            _ => (0, false),
        },
        [Dim::Any, Dim::Any, ..] => (0, false),
        [Dim::Fixed(size), ..] if *size > 1 => (maybe.unwrap_or(0), true),
        _ => (0, true),
    }
}

fn is_batch(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("batch") || words(&name).any(|word| matches!(word, "bs" | "bsz"))
}

/// Whether the name is that of a dimension of time or of text length.
pub fn is_sequence(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("seq")
        || name.contains("time")
        || words(&name).any(|word| {
            matches!(
                word,
                "t" | "l" | "s" | "len" | "length" | "step" | "steps" | "frame" | "frames" | "token" | "tokens"
            )
        })
}

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::element::Element;

    /// `"seq batch 3"`; `?` is an unnamed open dimension.
    fn value(name: &str, shape: &str) -> ValueInfo {
        let dim = |text: &str| match (text.parse(), text) {
            (Ok(size), _) => Dim::Fixed(size),
            (_, "?") => Dim::Any,
            _ => Dim::Symbol(text.to_owned()),
        };
        let dims = shape.split_whitespace().map(dim).collect();
        ValueInfo { name: name.to_owned(), kind: ValueKind::Tensor(Element::F32, Some(dims)) }
    }

    fn axes(inputs: &[&str], outputs: &[&str]) -> (Vec<usize>, Vec<Option<usize>>, bool) {
        let values = |shapes: &[&str]| shapes.iter().map(|shape| value("v", shape)).collect();
        let info = ModelInfo { inputs: values(inputs), outputs: values(outputs), metadata: Vec::new() };
        let axes = Axes::declared(&info);
        (axes.inputs, axes.outputs, axes.sure)
    }

    #[test]
    fn the_usual_models_are_batch_first() {
        for (inputs, outputs) in [
            (&["N 4"][..], &["N 3"][..]),
            (&["N L W"], &["N", "N L W"]),
            (&["batch_size sequence_length", "batch_size sequence_length"], &["batch_size sequence_length 8"]),
            (&["batch N 3"], &["batch N"]),
            (&["unk__5 224 224 3"], &["unk__5 1000"]),
            (&["N 3 height width"], &["N 10"]),
            (&["1 3 8 8"], &["1 10"]),
            (&["1 seq"], &["1 seq 4"]),
        ] {
            let (actual, outputs_of, sure) = axes(inputs, outputs);
            assert!(sure && actual.iter().all(|a| *a == 0) && outputs_of.iter().all(|a| *a == Some(0)), "{inputs:?}");
        }
    }

    #[test]
    fn the_names_of_dimensions_say_where_the_batch_is() {
        assert_eq!(axes(&["seq batch 3"], &["seq batch 2"]), (vec![1], vec![Some(1)], true));
        assert_eq!(axes(&["L N 3", "N L"], &["N"]), (vec![1, 0], vec![Some(0)], true));
        assert_eq!(axes(&["N 4"], &["4 N", "N"]), (vec![0], vec![Some(1), Some(0)], true));
        assert_eq!(axes(&["4 N"], &["N 2"]), (vec![1], vec![Some(0)], true));
        assert_eq!(axes(&["x 5", "2 x 8"], &["2 x 8"]), (vec![0, 1], vec![Some(1)], true));
        assert_eq!(axes(&["seq 1 3"], &["seq 1 2"]), (vec![1], vec![Some(1)], true));
    }

    #[test]
    fn what_nothing_declares_is_open() {
        assert_eq!(axes(&["? ? 3"], &["? ? 2"]), (vec![0], vec![None], false));
        assert_eq!(axes(&["? 4"], &["? 2"]), (vec![0], vec![None], true));
        assert_eq!(axes(&["seq 3"], &["seq 2"]), (vec![0], vec![None], false));
        assert_eq!(axes(&["N 4"], &["4"]), (vec![0], vec![None], true));
        assert_eq!(axes(&["a 3", "b 3"], &["a"]), (vec![0, 0], vec![Some(0)], false));
    }
}
