//! Runs images through a network in mini-batches, whose outputs a reader takes. While one runs, the next is decoded.

use std::borrow::Cow;
use std::ops::Range;

use half::f16;
use mmlrs_core::{Error, Rejects, Result, ThreadBudget};
use mmlrs_image::{ImageColumn, Layout, Placement, TensorPrep};
use ort::session::{SessionInputValue, SessionOutputs};
use ort::value::{Tensor, TensorRef, ValueType};
use rayon::prelude::*;

use super::input::ImageInput;
use crate::failure::failed;
use crate::graph::element::Element;
use crate::graph::prepared::Batch;
use crate::runtime::runner::Runner;
use crate::tensor::output::floats_of;

/// Maximum number of images per run and thread on the CPU. With more, a layer's activations exceed the CPU cache: `SqueezeNet`
/// takes 4.9 ms per image alone, 5.3 in runs of 8 and 6.2 in runs of 64. ResNet-50 is fastest in runs of 8.
const CPU_PICTURES: usize = 8;

/// Takes the outputs of the runs.
pub trait Reader: Send {
    /// Stores the results of the images of a run. If a run fails after this, its images are run and read again, one by one.
    fn read(&mut self, run: &Ran<'_, '_>) -> Result<()>;
}

/// The outputs of a run.
pub struct Ran<'a, 's> {
    outputs: &'a SessionOutputs<'s>,
    /// The rows of the images.
    pub rows: &'a [usize],
    /// The rectangle of the input that shows each image.
    pub places: &'a [Placement],
    /// Number of images of the run, with those that fill a fixed batch.
    images: usize,
}

impl Ran<'_, '_> {
    /// The values of an output, and the shape of one row.
    pub fn floats(&self, output: &str) -> Result<(Cow<'_, [f32]>, Vec<usize>)> {
        let value = self.outputs.get(output).ok_or_else(|| failed("the output is missing"))?;
        let ValueType::Tensor { shape, .. } = value.dtype() else {
            return Err(failed(format!("output `{output}` is a {}, not a tensor", value.dtype())));
        };
        let dims: Vec<usize> = shape.iter().map(|d| *d as usize).collect();
        match dims.split_first() {
            Some((first, inner)) if *first == self.images => Ok((floats_of(value, output)?, inner.to_vec())),
            _ => Err(failed(format!("output `{output}` has shape {dims:?} for {} images", self.images))),
        }
    }
}

/// A network and the processing of its images.
pub struct Network<'a> {
    /// The model, its session and the mini-batch.
    pub runner: Runner<'a>,
    /// The conversion of an image to a row of the input.
    pub prep: TensorPrep,
    /// The input.
    pub input: ImageInput,
}

/// Images of a mini-batch as tensor rows, side by side.
struct Decoded {
    tensor: Vec<f32>,
    rows: Vec<usize>,
    places: Vec<Placement>,
    bad: Vec<(usize, Error)>,
}

impl Network<'_> {
    /// Runs all images of a column.
    pub fn run(&self, images: &ImageColumn, reader: &mut dyn Reader) -> Result<Rejects> {
        let (rows, threads) = (images.rows(), self.runner.threads);
        let mut sink = Sink { reader, rejects: Rejects::new(self.runner.policy) };
        let step = self.pictures_per_run(threads)?;
        let batches: Vec<Range<usize>> = (0..rows).step_by(step).map(|start| start..(start + step).min(rows)).collect();
        if threads.get() > 1 {
            self.overlapped(images, &batches, threads, &mut sink)?;
        } else {
            let mut spare = Vec::new();
            for batch in &batches {
                let decoded = self.decode(images, batch.clone(), spare, threads)?;
                spare = self.run_batch(images, decoded, &mut sink)?;
            }
        }
        Ok(sink.rejects)
    }

    fn pictures_per_run(&self, threads: ThreadBudget) -> Result<usize> {
        let max_rows = self.runner.batch_rows(self.prep.len().saturating_mul(size_of::<f32>()))?;
        Ok(if self.runner.model.on_cpu() && self.runner.prepared.batch == Batch::Dynamic {
            max_rows.min(CPU_PICTURES * threads.get())
        } else {
            max_rows
        })
    }

    fn overlapped(
        &self,
        images: &ImageColumn,
        batches: &[Range<usize>],
        threads: ThreadBudget,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let Some(first) = batches.first() else { return Ok(()) };
        let mut current = self.decode(images, first.clone(), Vec::new(), threads)?;
        let mut spare = Vec::new();
        for next in batches.iter().skip(1) {
            let (free, decoded) = std::thread::scope(|scope| {
                let buffer = std::mem::take(&mut spare);
                let ahead = scope.spawn(move || self.decode(images, next.clone(), buffer, threads));
                let free = self.run_batch(images, current, sink);
                let decoded = ahead.join().unwrap_or_else(|_| Err(Error::runtime("decoding images panicked")));
                (free, decoded)
            });
            spare = free?;
            current = decoded?;
        }
        self.run_batch(images, current, sink)?;
        Ok(())
    }

    /// Decodes the images of `rows` into `buffer`, without bad ones.
    fn decode(
        &self,
        images: &ImageColumn,
        rows: Range<usize>,
        mut buffer: Vec<f32>,
        threads: ThreadBudget,
    ) -> Result<Decoded> {
        let len = self.prep.len();
        buffer.resize(rows.len() * len, 0.0);
        let one = |(at, out): (usize, &mut [f32])| {
            threads.check()?;
            images.tensor_row(rows.start + at, &self.prep, out)
        };
        let results: Vec<Result<Result<Placement, Error>>> = match threads.pool()? {
            Some(pool) => {
                pool.install(|| buffer.par_chunks_exact_mut(len).with_max_len(1).enumerate().map(one).collect())
            }
            None => buffer.chunks_exact_mut(len).enumerate().map(one).collect(),
        };
        let mut decoded =
            Decoded { tensor: buffer, rows: Vec::with_capacity(rows.len()), places: Vec::new(), bad: Vec::new() };
        for (at, result) in results.into_iter().enumerate() {
            match result? {
                Ok(place) => {
                    let to = decoded.rows.len();
                    if to != at {
                        decoded.tensor.copy_within(at * len..(at + 1) * len, to * len);
                    }
                    decoded.rows.push(rows.start + at);
                    decoded.places.push(place);
                }
                Err(error) => decoded.bad.push((rows.start + at, error)),
            }
        }
        decoded.tensor.truncate(decoded.rows.len() * len);
        Ok(decoded)
    }

    /// Runs the network on decoded images and returns their buffer for reuse.
    fn run_batch(&self, images: &ImageColumn, decoded: Decoded, sink: &mut Sink<'_>) -> Result<Vec<f32>> {
        let Decoded { mut tensor, rows, places, bad } = decoded;
        for (row, error) in bad {
            sink.rejects.reject(row, error)?;
        }
        let len = self.prep.len();
        let result = self.run_rows(&mut tensor, &rows, &places, sink.reader).map_err(|error| match rows[..] {
            [row] => error.from_origin(images.origin(row)),
            _ => error,
        });
        if !self.runner.went_well(result, &rows)? {
            tensor.truncate(rows.len() * len);
            for (at, row) in rows.iter().enumerate() {
                self.runner.threads.check()?;
                let mut one = tensor[at * len..(at + 1) * len].to_vec();
                if let Err(error) = self.run_rows(&mut one, &[*row], &places[at..=at], sink.reader) {
                    sink.rejects.reject(*row, error.from_origin(images.origin(*row)))?;
                }
            }
        }
        Ok(tensor)
    }

    fn run_rows(
        &self,
        tensor: &mut Vec<f32>,
        rows: &[usize],
        places: &[Placement],
        reader: &mut dyn Reader,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let len = self.prep.len();
        let padded = self.runner.padded(rows).len();
        for _ in rows.len()..padded {
            tensor.extend_from_within((rows.len() - 1) * len..rows.len() * len);
        }
        let feed = self.tensor(tensor, padded).map_err(failed)?;
        let name: Cow<'_, str> = Cow::Borrowed(self.input.name.as_str());
        self.runner.execute(vec![(name, feed)], rows.len(), |outputs| {
            reader.read(&Ran { outputs, rows, places, images: padded })
        })?;
        tensor.truncate(rows.len() * len);
        Ok(())
    }

    fn tensor<'t>(&self, values: &'t [f32], rows: usize) -> ort::Result<SessionInputValue<'t>> {
        let (h, w, c) = (self.prep.height as i64, self.prep.width as i64, self.prep.channels as i64);
        let shape = match self.prep.layout {
            Layout::Nchw => [rows as i64, c, h, w],
            Layout::Nhwc => [rows as i64, h, w, c],
        };
        Ok(match self.input.element {
            Element::F16 => {
                Tensor::from_array((shape, values.iter().map(|v| f16::from_f32(*v)).collect::<Vec<_>>()))?.into()
            }
            Element::F64 => {
                Tensor::from_array((shape, values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()))?.into()
            }
            // The cast saturates.
            Element::U8 => {
                Tensor::from_array((shape, values.iter().map(|v| v.round() as u8).collect::<Vec<_>>()))?.into()
            }
            _ => TensorRef::from_array_view((shape, values))?.into(),
        })
    }
}

/// Collects results and rejected rows.
struct Sink<'r> {
    reader: &'r mut dyn Reader,
    rejects: Rejects,
}
