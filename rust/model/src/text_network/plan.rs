//! The combination of a stage's params, its network and its tokenizer.

use std::sync::Arc;

use arrow_array::ArrayRef;
use mmlrs_core::{Context, Error, ErrorKind, FileSource, HandleInvalid, ModelSource, Rejects, Result};
use mmlrs_text::{MaxLength, TextTokenizer, TokenizerOptions};

use super::model::TextModel;
use super::params::TextInput;
use super::pooling::TokenPooling;
use super::runs::Embedding;
use crate::prepare::prepared_for;
use crate::runtime::run_params::RunParams;
use mmlrs_core::FloatRows;

/// Maximum number of tokens if neither the param nor the tokenizer.json nor the model sets it.
const USUAL_LENGTH: usize = 512;

/// Maximum length that is tried before anything runs. The cost of attention grows with the square of the length.
const LONGEST_TRIED: usize = 1024;

/// What a stage asks of its network.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub model: &'a ModelSource,
    pub tokenizer: &'a FileSource,
    pub input: &'a TextInput,
    pub run: &'a RunParams,
}

/// The combination of params, model and tokenizer.
pub struct TextPlan {
    pub model: TextModel,
    /// Length of the vectors.
    pub size: usize,
    tokenizer: Arc<TextTokenizer>,
    pooling: TokenPooling,
}

impl TextPlan {
    /// Combines params, model and tokenizer.
    pub fn make(request: Request<'_>) -> Result<Self> {
        request.run.check()?;
        let model = TextModel::of(request.model, request.input.output_tensor_name.as_deref())?;
        let tokenizer = request.tokenizer(model.sequence)?;
        let size = match model.size {
            // The driver has tried it.
            Some(size) if prepared_for(request.model)?.is_some() => size,
            _ => request.tried_size(&model, &tokenizer)?,
        };
        Ok(Self { model, size, tokenizer, pooling: TokenPooling::parse(&request.input.pooling) })
    }

    /// Computes the vectors of the strings of a column, with `normalize` of length 1.
    pub fn vectors(
        &self,
        column: &str,
        texts: &ArrayRef,
        normalize: bool,
        run: &RunParams,
        policy: HandleInvalid,
        cx: &Context,
    ) -> Result<(FloatRows, Rejects)> {
        let rows = self.tokenizer.encode_column(column, texts, cx.threads)?;
        let embedding = Embedding {
            runner: run.runner(&self.model.prepared, policy, *cx, true)?,
            model: &self.model,
            pad_id: self.tokenizer.pad_id(),
            pooling: self.pooling,
            normalize,
            size: self.size,
        };
        embedding.vectors(&rows).map_err(|e| e.at_column(column))
    }
}

impl Request<'_> {
    fn tokenizer(&self, fixed: Option<usize>) -> Result<Arc<TextTokenizer>> {
        let load = |max_length| {
            TextTokenizer::load(self.tokenizer, TokenizerOptions { max_length, truncation: true, special_tokens: true })
        };
        match (self.input.max_length, fixed) {
            (Some(length), Some(fixed)) if length > fixed => Err(Error::param(
                "maxLength",
                format!("is {length}, but the model only accepts strings of {fixed} tokens"),
            )),
            (Some(length), _) => load(MaxLength::Of(length)),
            (None, None) => load(MaxLength::FileOr(Some(USUAL_LENGTH))),
            (None, Some(fixed)) => {
                let own = load(MaxLength::FileOr(Some(fixed)))?;
                if own.max_length().is_some_and(|n| n > fixed) { load(MaxLength::Of(fixed)) } else { Ok(own) }
            }
        }
    }

    /// Runs one synthetic string of the maximum length, so that missing positions of the model are detected here and not in the
    /// middle of a job. Returns the length of its vector.
    fn tried_size(&self, model: &TextModel, tokenizer: &TextTokenizer) -> Result<usize> {
        let longest = tokenizer.max_length().unwrap_or(USUAL_LENGTH).min(LONGEST_TRIED);
        let tokens = tokenizer.encode("a")?;
        if tokens.ids.is_empty() {
            return Err(Error::param("tokenizer", "gives no tokens for the string \"a\""));
        }
        let short = tokens.ids.len().min(longest);
        let shape = match model.probe(&tokens, longest) {
            Ok(shape) => shape,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::LimitExceeded) => {
                return Err(error);
            }
            Err(error) => {
                model.probe(&tokens, short).map_err(|e| {
                    Error::model(format!("the model does not run on tokens of this tokenizer: {}", e.message()))
                })?;
                let is =
                    self.input.max_length.map_or_else(|| "must be set".to_owned(), |length| format!("is {length}"));
                return Err(Error::param(
                    "maxLength",
                    format!("{is}: the model fails on a string of {longest} tokens ({})", error.message()),
                ));
            }
        };
        match shape.as_slice() {
            [_, size] | [size] if *size > 0 => Ok(*size),
            _ => Err(Error::model(format!(
                "output `{}` has row shape {shape:?}; expected [tokens, size] or [size]",
                model.output
            ))),
        }
    }
}
