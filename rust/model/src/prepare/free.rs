//! Makes a fixed batch dimension dynamic.

use mmlrs_core::{Error, Result};

use super::probe;
use super::ready::{Ready, serialize};
use crate::graph::batch::{fixed_batch, make_dynamic};
use crate::graph::batch_first::{BatchAxis, make_batch_first};
use crate::graph::dim::Dim;
use crate::graph::info::{ModelInfo, ValueInfo};
use crate::graph::prepared::Batch;
use crate::graph::source::parse;

impl Ready {
    /// Makes a fixed batch dimension dynamic, if a trial run shows that the results stay the same.
    pub fn free_batch(&mut self) -> Result<()> {
        let before = ModelInfo::from_proto(&self.model);
        let Some(size) = fixed_batch(&before) else { return Ok(()) };
        self.batch = Batch::Fixed(size);
        if before.inputs.iter().any(|i| i.shape().is_some_and(<[Dim]>::is_empty)) {
            return Ok(());
        }
        let bytes = serialize(&self.model)?;
        let mut original = self.open(bytes.clone())?;
        let tried = probe::can_be_tried(&before, size);
        let agrees = tried && {
            make_dynamic(&mut self.model, size);
            let dynamic = serialize(&self.model)?;
            self.open(dynamic).is_ok_and(|mut d| probe::agrees(&mut original, &before, &mut d, size))
        };
        if agrees {
            self.batch = Batch::Dynamic;
            self.changed = true;
        } else {
            // Weights may be large, so the original is parsed again rather than kept twice.
            self.model = parse(&bytes, "the model")?;
            if size > 1 && !probe::independent(&mut original, &before, size) {
                return self.free_other_batch(&before, size);
            }
            self.notes.push(format!(
                "the model has a fixed batch of {size} that {}, so it runs {}",
                if tried { "cannot be made dynamic" } else { "is too large for a trial of a dynamic one" },
                if size == 1 { "row by row".to_owned() } else { format!("{size} rows at a time") }
            ));
        }
        Ok(())
    }

    /// The first dimension of the inputs is fixed and is not the batch. It may be the steps of a sequence; the batch is then
    /// second.
    fn free_other_batch(&mut self, before: &ModelInfo, size: usize) -> Result<()> {
        let second = |value: &ValueInfo| match value.shape() {
            Some(shape @ [_, Dim::Fixed(1), _, ..]) => Some(BatchAxis { axis: 1, rank: shape.len() }),
            _ => None,
        };
        let inputs: Vec<Option<BatchAxis>> = before.inputs.iter().map(second).collect();
        if inputs.iter().any(Option::is_none) {
            return Err(Error::model(format!(
                "the inputs have a fixed first dimension of {size} which is not the batch: the rows of one run influence \
                 each other; export the model with a named batch dimension, or with a batch of 1"
            )));
        }
        let outputs: Vec<Option<BatchAxis>> = before.outputs.iter().map(second).collect();
        make_batch_first(&mut self.model, &inputs, &outputs);
        self.changed = true;
        self.batch = Batch::Dynamic;
        self.free_batch()
    }
}
