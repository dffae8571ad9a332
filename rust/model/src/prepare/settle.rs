//! Determines the batch axis of a model, from the declarations of the graph or by a trial, and makes it the first axis.

use mmlrs_core::{Error, Result};

use super::probe;
use super::ready::{Ready, serialize};
use super::trial::{OutputTrial, Trial, trial};
use crate::graph::axes::{Axes, is_sequence};
use crate::graph::batch::may_bake_batch;
use crate::graph::batch_first::{BatchAxis, make_batch_first};
use crate::graph::dim::Dim;
use crate::graph::info::{ModelInfo, ValueInfo, ValueKind};
use crate::graph::prepared::Batch;
use crate::graph::proto::tensor_info;

/// One way to feed a model, and its outcome.
struct Attempt {
    inputs: Vec<usize>,
    /// The batch axis of each output that the graph or the runtime declares.
    declared: Vec<Option<BatchAxis>>,
    /// The types of outputs that the runtime infers if the graph does not declare them.
    inferred: Vec<Option<ValueInfo>>,
    /// `None` if everything is declared and no trial was needed.
    trial: Option<Trial>,
}

impl Ready {
    /// Makes the batch the first axis of all inputs and outputs.
    pub fn settle_batch(&mut self) -> Result<()> {
        let info = ModelInfo::from_proto(&self.model);
        let axes = Axes::declared(&info);
        let is_free = |(input, axis): (&ValueInfo, &usize)| {
            input.shape().and_then(|shape| shape.get(*axis)).is_some_and(|dim| dim.size().is_none())
        };
        let free = info.inputs.iter().zip(&axes.inputs).all(is_free);
        let all_declared = axes.sure && axes.outputs.iter().all(Option::is_some);
        if !free || (all_declared && !may_bake_batch(&self.model.graph)) {
            if !axes.batch_first() {
                let outputs = declared(&info, &axes);
                self.turn(&info, &axes.inputs, &outputs);
            }
            return Ok(());
        }
        // The result of a trial is stored in the model, so that workers do not repeat it.
        self.changed = true;
        let attempt = self.attempt(&info, &axes, axes.inputs.clone())?;
        if attempt.is_good() {
            self.accept(&info, &attempt);
            return Ok(());
        }
        if !axes.sure {
            for inputs in others(&info, &axes.inputs) {
                let other = self.attempt(&info, &axes, inputs)?;
                if other.is_good() {
                    self.accept(&info, &other);
                    return Ok(());
                }
            }
        }
        self.make_do(&info, &axes, &attempt)
    }

    fn turn(&mut self, info: &ModelInfo, inputs: &[usize], outputs: &[Option<BatchAxis>]) {
        let inputs: Vec<Option<BatchAxis>> =
            info.inputs.iter().zip(inputs).map(|(input, axis)| Some(placed(input, *axis))).collect();
        if inputs.iter().chain(outputs).flatten().any(|at| at.axis > 0) {
            make_batch_first(&mut self.model, &inputs, outputs);
            self.changed = true;
        }
    }

    /// Feeds the model in one way.
    fn attempt(&self, info: &ModelInfo, axes: &Axes, inputs: Vec<usize>) -> Result<Attempt> {
        let mut turned = None;
        if inputs.iter().any(|axis| *axis > 0) {
            let places: Vec<Option<BatchAxis>> =
                info.inputs.iter().zip(&inputs).map(|(input, axis)| Some(placed(input, *axis))).collect();
            let model = turned.insert(self.model.clone());
            make_batch_first(model, &places, &[]);
        }
        let model = turned.as_ref().unwrap_or(&self.model);
        let mut session = self.open(serialize(model)?)?;
        let mut outputs = declared(info, axes);
        let mut inferred: Vec<Option<ValueInfo>> = vec![None; outputs.len()];
        for ((output, place), inferred) in info.outputs.iter().zip(&mut outputs).zip(&mut inferred) {
            if place.is_none() {
                *inferred = probe::inferred(&session, &output.name);
                let tells = |inferred: &ValueInfo| Some(placed(inferred, axes.of_output(inferred, info)?));
                *place = inferred.as_ref().and_then(tells);
            }
        }
        let settled = axes.sure && outputs.iter().all(Option::is_some) && !may_bake_batch(&self.model.graph);
        let exact = !model.graph.node.iter().any(|node| node.op_type == "DynamicQuantizeLinear");
        let trial = (!settled).then(|| trial(&mut session, &ModelInfo::from_proto(model), exact));
        Ok(Attempt { inputs, declared: outputs, inferred, trial })
    }

    fn accept(&mut self, info: &ModelInfo, attempt: &Attempt) {
        // Stored, so that the runtime is not queried again.
        for (at, inferred) in attempt.inferred.iter().enumerate() {
            if let (Some(inferred), Some(graph)) = (inferred, self.model.graph.as_mut())
                && let (ValueKind::Tensor(element, Some(shape)), true) =
                    (&inferred.kind, info.outputs[at].shape().is_none())
            {
                graph.output[at] = tensor_info(&inferred.name, *element, Some(shape));
            }
        }
        self.turn(info, &attempt.inputs, &attempt.places());
    }

    /// The fallback for a model that does not accept several rows at once.
    fn make_do(&mut self, info: &ModelInfo, axes: &Axes, attempt: &Attempt) -> Result<()> {
        let mut places = attempt.places();
        match attempt.trial.as_ref() {
            None | Some(Trial::Unknown) => {
                let recurrent = |op: &str| matches!(op, "LSTM" | "GRU" | "RNN" | "Loop" | "Scan");
                let open = info.inputs.iter().any(|input| starts_with_sequence(input) || starts_open(input));
                if !axes.sure && open && self.model.graph.node.iter().any(|node| recurrent(&node.op_type)) {
                    return Err(undeclared(info));
                }
            }
            Some(Trial::OneOnly(shapes)) => {
                for (place, shape) in places.iter_mut().zip(shapes) {
                    *place = place.or_else(|| single(shape.as_deref()?));
                }
                self.row_by_row("declares a free batch, but its graph works for one row at a time only");
            }
            Some(Trial::Ran(outputs)) => {
                for ((at, output), place) in outputs.iter().enumerate().zip(&mut places) {
                    let OutputTrial::NoBatch { one, two } = output else { continue };
                    let count = |shape: &[i64]| shape.iter().product::<i64>();
                    let merged = attempt.declared[at].is_some() || count(two) == 2 * count(one);
                    *place = place.or_else(|| single(one));
                    if !merged || place.is_none_or(|place| one.get(place.axis) != Some(&1)) {
                        return Err(no_batch(&info.outputs[at].name, two));
                    }
                }
                let mixed = outputs.iter().any(|output| matches!(output, OutputTrial::Mixed { .. }));
                if mixed && !axes.sure && info.inputs.iter().any(starts_with_sequence) {
                    return Err(undeclared(info));
                }
                self.row_by_row(if mixed {
                    "lets the rows of one run influence each other"
                } else {
                    "declares a free batch, but its graph works for one row at a time only"
                });
            }
        }
        self.turn(info, &attempt.inputs, &places);
        Ok(())
    }

    fn row_by_row(&mut self, cause: &str) {
        self.batch = Batch::Fixed(1);
        self.notes.push(format!("the model {cause}, so it runs row by row"));
    }
}

impl Attempt {
    fn is_good(&self) -> bool {
        self.trial.as_ref().is_none_or(Trial::is_good)
    }

    /// The batch axis of each output, if it is known.
    fn places(&self) -> Vec<Option<BatchAxis>> {
        let Some(Trial::Ran(outputs)) = &self.trial else { return self.declared.clone() };
        let place = |(output, declared): (&OutputTrial, &Option<BatchAxis>)| match *output {
            OutputTrial::Axis { axis, rank } | OutputTrial::Mixed { axis, rank } => Some(BatchAxis { axis, rank }),
            _ => *declared,
        };
        outputs.iter().zip(&self.declared).map(place).collect()
    }
}

fn declared(info: &ModelInfo, axes: &Axes) -> Vec<Option<BatchAxis>> {
    info.outputs.iter().zip(&axes.outputs).map(|(output, axis)| Some(placed(output, (*axis)?))).collect()
}

/// The position of a tensor's batch. For an output without a shape, such as a sequence, it is first.
fn placed(value: &ValueInfo, axis: usize) -> BatchAxis {
    BatchAxis { axis, rank: value.shape().map_or(0, <[Dim]>::len) }
}

/// An axis of size one. For one row any of these may be the batch.
fn single(shape: &[i64]) -> Option<BatchAxis> {
    let axis = shape.iter().position(|size| *size == 1)?;
    Some(BatchAxis { axis, rank: shape.len() })
}

/// Other ways to feed a model. If the batch is not the first axis it is usually the second.
fn others(info: &ModelInfo, tried: &[usize]) -> Vec<Vec<usize>> {
    let second = |min_rank: usize| -> Vec<usize> {
        let axis = |input: &ValueInfo| match input.shape() {
            Some(shape @ [_, second, ..]) if shape.len() >= min_rank && second.size().is_none() => 1,
            _ => 0,
        };
        info.inputs.iter().map(axis).collect()
    };
    let mut ways = vec![second(2), second(3)];
    ways.dedup();
    ways.retain(|way| way != tried);
    ways
}

fn starts_with_sequence(input: &ValueInfo) -> bool {
    matches!(input.shape(), Some([Dim::Symbol(name), ..]) if is_sequence(name))
}

fn starts_open(input: &ValueInfo) -> bool {
    matches!(input.shape(), Some([Dim::Any, Dim::Any, ..]))
}

fn no_batch(output: &str, shape: &[i64]) -> Error {
    Error::runtime(format!(
        "output `{output}` has shape {shape:?} for 2 rows: none of its dimensions is the batch; fetch outputs that have a \
         result for each row, or export the model with such outputs"
    ))
}

fn undeclared(info: &ModelInfo) -> Error {
    let inputs: Vec<String> = info.inputs.iter().map(|i| format!("`{}` ({})", i.name, i.kind.words())).collect();
    Error::model(format!(
        "cannot determine which dimension of {} is the batch: it is not the first one, or a trial run fails; export the model \
         with that dimension named `batch`",
        inputs.join(", ")
    ))
}
