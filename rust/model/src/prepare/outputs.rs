//! Completes the types of outputs that the graph does not declare.

use mmlrs_core::Result;

use super::probe;
use super::ready::{Ready, serialize};
use crate::graph::dim::Dim;
use crate::graph::info::{ModelInfo, ValueInfo, ValueKind};
use crate::graph::prepared::Batch;
use crate::graph::proto::tensor_info;

impl Ready {
    /// Completes the types of outputs that the graph does not declare, such as internal tensors.
    pub fn complete_outputs(&mut self) -> Result<()> {
        let info = ModelInfo::from_proto(&self.model);
        let fixed_inputs = info.inputs.iter().all(|i| i.row_size().is_some());
        let known_ranks = info.inputs.iter().all(|i| i.shape().is_some());
        let open_type = |o: &ValueInfo| match &o.kind {
            ValueKind::Other(words) => words == "unknown",
            ValueKind::Tensor(_, None) => true,
            ValueKind::Tensor(..) => fixed_inputs && o.row_size().is_none(),
            _ => false,
        };
        if !info.outputs.iter().any(open_type) {
            return Ok(());
        }
        let mut session = self.open(serialize(&self.model)?)?;
        let mut probed: Option<Vec<probe::Probed>> = None;
        for (at, output) in info.outputs.iter().enumerate().filter(|(_, o)| open_type(o)) {
            let Some(mut inferred) = probe::inferred(&session, &output.name) else { continue };
            if let ValueKind::Tensor(element, None) = inferred.kind
                // The rank may depend on that of the data, which a trial does not know.
                && known_ranks
            {
                if probed.is_none() {
                    let rows = if let Batch::Fixed(n) = self.batch { n } else { 2 };
                    probed = Some(probe::run(&mut session, &info, 0..rows).unwrap_or_default());
                }
                let shape = probed.as_ref().and_then(|p| p.get(at)).map(|p| probed_shape(&p.shape, fixed_inputs));
                inferred.kind = ValueKind::Tensor(element, shape);
            }
            if let (ValueKind::Tensor(element, shape), Some(graph)) = (&inferred.kind, self.model.graph.as_mut()) {
                graph.output[at] = tensor_info(&output.name, *element, shape.as_deref());
                self.changed = true;
            }
        }
        Ok(())
    }
}

fn probed_shape(shape: &[i64], fixed_inputs: bool) -> Vec<Dim> {
    let size = |(at, n): (usize, &i64)| if at > 0 && fixed_inputs { Dim::Fixed(*n as usize) } else { Dim::Any };
    shape.iter().enumerate().map(size).collect()
}
