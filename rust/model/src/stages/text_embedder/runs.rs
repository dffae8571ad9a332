//! Rows of tokens through a model, mini-batch by mini-batch, with as little padding as can be.

use std::cmp::Reverse;

use mmlrs_core::{Error, Rejects, Result};
use mmlrs_text::Tokens;
use ort::value::ValueType;

use super::model::{Padded, TextModel};
use super::pooling::{TokenPooling, normalize};
use crate::graph::prepared::Batch;
use crate::runtime::runner::Runner;
use crate::tensor::output::floats_of;
use crate::tensor::vectors::Vectors;

/// Most tokens per run on the CPU, padding included: attention keeps a number for every pair of tokens of a text and every
/// head, which for 64 texts of 512 tokens and 12 heads is 0.8 GB. Larger runs were not faster than runs of this size.
const CPU_TOKENS: usize = 4096;

/// A model with what its rows need.
pub struct Embedding<'a> {
    /// The session and the mini-batch.
    pub runner: Runner<'a>,
    /// Inputs and output.
    pub model: &'a TextModel,
    /// What fills a row up.
    pub pad_id: u32,
    /// How states become a vector.
    pub pooling: TokenPooling,
    /// Scale vectors to length 1?
    pub normalize: bool,
    /// Length of the vectors.
    pub size: usize,
}

impl Embedding<'_> {
    /// Computes the vectors of all rows that have tokens; the others are rejected.
    pub fn vectors(&self, rows: &[Result<Tokens>]) -> Result<(Vectors, Rejects)> {
        let mut rejects = Rejects::new(self.runner.policy);
        let mut vectors = Vectors::new(rows.len(), self.size)?;
        let mut texts: Vec<(usize, &Tokens)> = Vec::with_capacity(rows.len());
        for (row, tokens) in rows.iter().enumerate() {
            match tokens {
                Ok(tokens) if tokens.ids.is_empty() => rejects.reject(row, Error::decode("has no tokens"))?,
                Ok(tokens) => texts.push((row, tokens)),
                Err(error) => rejects.reject(row, error.clone())?,
            }
        }
        // The longest first: neighbours have about one length, and the runtime's memory is taken once.
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

    /// How many of the next rows, ordered by length, go through the model together.
    fn rows_of_run(&self, next: &[(usize, &Tokens)]) -> Result<usize> {
        let longest = next.first().map_or(1, |(_, tokens)| tokens.ids.len());
        let mut most = self.runner.batch_rows(self.width(longest).saturating_mul(size_of::<i64>()))?;
        if self.runner.model.on_cpu() && self.runner.prepared.batch == Batch::Dynamic {
            most = most.min((CPU_TOKENS / self.width(longest).max(1)).max(1));
        }
        let fits = |tokens: &Tokens| self.model.has_mask() || tokens.ids.len() == longest;
        Ok(next.iter().take(most).take_while(|(_, tokens)| fits(tokens)).count())
    }

    fn width(&self, longest: usize) -> usize {
        self.model.sequence.unwrap_or(longest)
    }

    fn run(&self, texts: &[(usize, &Tokens)], vectors: &mut Vectors) -> Result<()> {
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
                    _ => return Err(Error::runtime(format!("output `{name}` has shape {dims:?} for {ran} texts"))),
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
