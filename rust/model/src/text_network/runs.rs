//! Runs rows of tokens through a model in mini-batches, with as little padding as possible.

use std::cmp::Reverse;

use mmlrs_core::{Error, Rejects, Result};
use mmlrs_text::Tokens;
use ort::value::ValueType;

use super::model::{Padded, TextModel};
use super::pooling::{TokenPooling, normalize};
use crate::graph::prepared::Batch;
use crate::runtime::runner::Runner;
use crate::tensor::output::floats_of;
use mmlrs_core::FloatRows;

/// Maximum number of tokens per run on the CPU, including padding. Attention keeps a number for every pair of tokens of a
/// string and every head, which is 0.8 GB for 64 strings of 512 tokens and 12 heads. Larger runs were not faster.
const CPU_TOKENS: usize = 4096;

/// A model and the processing of its rows.
pub struct Embedding<'a> {
    /// The session and the mini-batch.
    pub runner: Runner<'a>,
    /// Inputs and output.
    pub model: &'a TextModel,
    /// The id of the padding token.
    pub pad_id: u32,
    /// How states are combined into a vector.
    pub pooling: TokenPooling,
    /// Whether to scale vectors to length 1.
    pub normalize: bool,
    /// Length of the vectors.
    pub size: usize,
}

impl Embedding<'_> {
    /// Computes the vectors of all rows with tokens and rejects the others.
    pub fn vectors(&self, rows: &[Result<Tokens>]) -> Result<(FloatRows, Rejects)> {
        let mut rejects = Rejects::new(self.runner.policy);
        let mut vectors = FloatRows::new(rows.len(), self.size)?;
        let mut texts: Vec<(usize, &Tokens)> = Vec::with_capacity(rows.len());
        for (row, tokens) in rows.iter().enumerate() {
            match tokens {
                Ok(tokens) if tokens.ids.is_empty() => rejects.reject(row, Error::decode("has no tokens"))?,
                Ok(tokens) => texts.push((row, tokens)),
                Err(error) => rejects.reject(row, error.clone())?,
            }
        }
        // Longest first: neighbours have similar lengths, and the runtime allocates its memory once.
        texts.sort_by_key(|(_, tokens)| Reverse(tokens.ids.len()));
        let mut rest = &texts[..];
        while !rest.is_empty() {
            self.runner.threads.check()?;
            let (run, later) = rest.split_at(self.rows_of_run(rest)?);
            rest = later;
            let rows: Vec<usize> = run.iter().map(|(row, _)| *row).collect();
            if self.runner.went_well(self.run(run, &mut vectors), &rows)? {
                continue;
            }
            for one in run.chunks(1) {
                self.runner.threads.check()?;
                if let Err(error) = self.run(one, &mut vectors) {
                    rejects.reject(one[0].0, error)?;
                }
            }
        }
        Ok((vectors, rejects))
    }

    /// The number of the next rows, ordered by length, that run through the model together.
    fn rows_of_run(&self, next: &[(usize, &Tokens)]) -> Result<usize> {
        let longest = next.first().map_or(1, |(_, tokens)| tokens.ids.len());
        let mut max_rows = self.runner.batch_rows(self.width(longest).saturating_mul(size_of::<i64>()))?;
        if self.runner.model.on_cpu() && self.runner.prepared.batch == Batch::Dynamic {
            max_rows = max_rows.min((CPU_TOKENS / self.width(longest).max(1)).max(1));
        }
        let fits = |tokens: &Tokens| self.model.has_mask() || tokens.ids.len() == longest;
        Ok(next.iter().take(max_rows).take_while(|(_, tokens)| fits(tokens)).count())
    }

    fn width(&self, longest: usize) -> usize {
        self.model.sequence.unwrap_or(longest)
    }

    fn run(&self, texts: &[(usize, &Tokens)], vectors: &mut FloatRows) -> Result<()> {
        let longest = texts.iter().map(|(_, tokens)| tokens.ids.len()).max().unwrap_or(0);
        let indices: Vec<usize> = (0..texts.len()).collect();
        let rows: Vec<&Tokens> = self.runner.padded(&indices).into_iter().map(|i| texts[i].1).collect();
        let padded = Padded { rows, width: self.width(longest), pad_id: self.pad_id };
        let ran = padded.rows.len();
        self.runner
            .execute(self.model.feeds(&padded)?, texts.len(), |outputs| {
                let name = &self.model.output;
                let value = outputs.get(name).ok_or_else(|| Error::runtime(format!("output `{name}` is missing")))?;
                let ValueType::Tensor { shape, .. } = value.dtype() else {
                    return Err(Error::runtime(format!("output `{name}` is a {}", value.dtype())));
                };
                let dims: Vec<usize> = shape.iter().map(|d| *d as usize).collect();
                let inner = match dims.split_first() {
                    Some((first, inner)) if *first == ran => inner,
                    _ => return Err(Error::runtime(format!("output `{name}` has shape {dims:?} for {ran} strings"))),
                };
                let values = floats_of(value, name)?;
                let row_len: usize = inner.iter().product();
                for ((row, tokens), states) in texts.iter().zip(values.chunks_exact(row_len.max(1))) {
                    let mut vector = vec![0.0; self.size];
                    self.pooling.apply(states, inner, &tokens.mask, &mut vector)?;
                    if self.normalize {
                        normalize(&mut vector);
                    }
                    vectors.fill(*row).copy_from_slice(&vector);
                }
                Ok(())
            })
            .map_err(|e| Error::new(e.kind(), format!("the model failed on {longest} tokens: {}", e.message())))
    }
}
