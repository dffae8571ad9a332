//! Reads the objects of each image from the outputs of a run.

use mmlrs_core::{Error, Result};

use super::arrange::InputSize;
use super::decode;
use super::found::Object;
use super::head::{Head, Scored, Unit};
use super::suppress::{Candidate, best, suppressed};
use crate::failure::failed;
use crate::image_network::batches::{Ran, Reader};

/// Which candidates become objects.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub score: f32,
    /// Maximum overlap of two objects of a class.
    pub overlap: f32,
    /// Maximum number of objects of an image.
    pub most: usize,
}

/// The outputs to read, and the objects found so far. A row whose numbers are not those of a detector has an error.
pub struct ObjectReader<'a> {
    pub head: &'a Head,
    /// Number of labels, if there are any.
    pub labels: Option<usize>,
    pub size: InputSize,
    pub limits: Limits,
    pub rows: Vec<Option<Result<Vec<Object>>>>,
}

impl Reader for ObjectReader<'_> {
    fn read(&mut self, run: &Ran<'_, '_>) -> Result<()> {
        let outputs = self.head.fetches();
        let mut values = Vec::with_capacity(outputs.len());
        for (at, output) in outputs.iter().enumerate() {
            let (floats, shape) = run.floats(output)?;
            self.check(output, at, &shape)?;
            let row: usize = shape.iter().product();
            values.push((floats, row));
        }
        for (at, (row, place)) in run.rows.iter().zip(run.places).enumerate() {
            let parts: Vec<&[f32]> = values.iter().map(|(floats, len)| &floats[at * len..(at + 1) * len]).collect();
            let objects = self.candidates(&parts).map(|candidates| {
                candidates.iter().filter_map(|candidate| Object::of(candidate, *place)).collect::<Vec<_>>()
            });
            self.rows[*row] = Some(objects);
        }
        Ok(())
    }
}

impl ObjectReader<'_> {
    /// Returns an error unless the row shape of an output is what its head expects.
    fn check(&self, output: &str, at: usize, shape: &[usize]) -> Result<()> {
        let numbers = match (self.head, at) {
            (Head::Scored(Scored { numbers, is_by_box: false, .. }), _) => {
                return if shape.len() == 2 && shape[0] == *numbers { Ok(()) } else { Err(changed(output, shape)) };
            }
            (Head::Scored(scored), _) => scored.numbers,
            (Head::Final { .. }, _) => 6,
            (Head::Queries(queries), 0) => queries.classes + usize::from(queries.is_softmax),
            (Head::Queries(_), _) => 4,
        };
        if shape.len() == 2 && shape[1] == numbers { Ok(()) } else { Err(changed(output, shape)) }
    }

    /// The objects of an image, in pixels of the input, the most probable ones first.
    fn candidates(&self, values: &[&[f32]]) -> Result<Vec<Candidate>> {
        let Limits { score, overlap, most } = self.limits;
        match (self.head, values) {
            (Head::Scored(head), [values]) => {
                let found = decode::scored(values, head, self.size, score)?;
                Ok(if head.unit == Unit::Input { best(found, most) } else { suppressed(found, overlap, most) })
            }
            (Head::Final { .. }, [values]) => Ok(best(decode::finals(values, self.labels, score)?, most)),
            (Head::Queries(head), [scores, boxes]) => {
                Ok(best(decode::queries(scores, boxes, head, self.size, score)?, most))
            }
            _ => Err(Error::runtime("a detector has other outputs than its head")),
        }
    }
}

fn changed(output: &str, shape: &[usize]) -> Error {
    failed(format!("output `{output}` has row shape {shape:?}, which is not that of the trial run"))
}
