//! `TextEmbedder`: tokenizes, infers, pools and normalizes in one pass over the batch.

mod model;
mod pooling;
mod runs;

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, Error, ErrorKind, FileSource, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample,
    Transform, VectorType, put_blob,
};
use mmlrs_macros::Stage;
use mmlrs_text::sample::{sample_texts, sample_tokenizer};
use mmlrs_text::{MaxLength, TextTokenizer, TokenizerOptions};
use serde_json::json;

use crate::prepare::portable::portable;
use crate::prepare::prepared_for;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_text_model;
use model::TextModel;
use pooling::TokenPooling;
use runs::Embedding;

/// Maximum number of tokens if neither the param nor the tokenizer.json nor the model sets it.
const USUAL_LENGTH: usize = 512;

/// Maximum length that is tried before anything runs. The cost of attention grows with the square of the length.
const LONGEST_TRIED: usize = 1024;

/// Turns strings into vectors with a transformer model, such as those of sentence-transformers.
///
/// Each string is tokenized, run through the model, pooled and scaled to length 1, all in one pass. Strings of a batch are
/// ordered by length to minimize padding. The attention mask excludes padding from the result, which depends neither on the
/// other strings of the batch nor on their order, up to float rounding. The model's inputs are found by name: `input_ids`, and
/// optionally `attention_mask`, `token_type_ids` and `position_ids`. The output is `sentence_embedding`, `last_hidden_state` or
/// `token_embeddings`, else the first output with three dimensions, else the first with two. A hidden state of shape [batch,
/// tokens, size] is pooled; an embedding of shape [batch, size] is used unchanged. A null is a row that cannot be processed. An
/// empty string has the vector of its special tokens.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    body = extended,
    kind = transformer,
    example = r#"
import numpy as np
import pyarrow as pa
from mmlrs.text import TextEmbedder

table = pa.table({"text": ["A cat is asleep.", "The kitten sleeps.", "Shares fell today."]})
vectors = np.array(TextEmbedder(inputCol="text", outputCol="vector").transform(table)["vector"].to_pylist())
assert vectors.shape == (3, 384)
assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]  # cosines
"#
)]
pub struct TextEmbedder {
    /// Name of the string column.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// The ONNX model: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`minilm` from the extra `models`"))]
    model: ModelSource,
    /// The model's tokenizer.json: the name of a model, a path, bytes or a handle. If `model` is a name, its tokenizer is set with
    /// it; it must be set with any other model.
    #[param(default = python("that of `minilm`"))]
    tokenizer: FileSource,
    /// How the hidden states of a string's tokens are combined into one vector: "mean" of all tokens, "cls" for the first
    /// token, "max" for the largest value of each slot. Has no effect if the model's output is an embedding already.
    #[param(default = "mean", one_of("mean", "cls", "max"))]
    pooling: String,
    /// Scale each vector to Euclidean length 1, so that dot products are cosines.
    #[param(default = true)]
    normalize: bool,
    #[param(group)]
    output_type: VectorType,
    /// Maximum number of tokens of a string, including special ones. Longer strings are truncated. If not set, the length in
    /// the tokenizer.json, else 512. sentence-transformers stores its length in `sentence_bert_config.json`, and it is often
    /// different. More tokens than the model has positions for are an error, which is raised before anything runs for up to
    /// 1,024 tokens.
    #[param(range(1, 1_048_576))]
    max_length: Option<usize>,
    /// The output or internal tensor to read. If not set, it is found as described above.
    #[param(non_empty)]
    output_tensor_name: Option<String>,
    #[param(group)]
    run: RunParams,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The combination of params, model and tokenizer.
struct Plan {
    model: TextModel,
    tokenizer: Arc<TextTokenizer>,
    size: usize,
}

impl TextEmbedder {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        self.run.check()?;
        let model = TextModel::of(&self.model, self.output_tensor_name.as_deref())?;
        let tokenizer = self.tokenizer(model.sequence)?;
        let size = match model.size {
            // The driver has tried it.
            Some(size) if prepared_for(&self.model)?.is_some() => size,
            _ => self.tried_size(&model, &tokenizer)?,
        };
        Ok(Plan { model, tokenizer, size })
    }

    fn tokenizer(&self, fixed: Option<usize>) -> Result<Arc<TextTokenizer>> {
        let load = |max_length| {
            TextTokenizer::load(
                &self.tokenizer,
                TokenizerOptions { max_length, truncation: true, special_tokens: true },
            )
        };
        match (self.max_length, fixed) {
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
                let is = self.max_length.map_or_else(|| "must be set".to_owned(), |length| format!("is {length}"));
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

impl Transform for TextEmbedder {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        Ok(vec![self.output_type.field(&self.output_col, self.plan()?.size)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let texts = block.column(&self.input_col)?.to_arrow(cx)?;
        let rows = plan.tokenizer.encode_column(&self.input_col, &texts, cx.threads)?;
        let embedding = Embedding {
            runner: self.run.runner(&plan.model.prepared, self.row_policy.handle_invalid, *cx, true)?,
            model: &plan.model,
            pad_id: plan.tokenizer.pad_id(),
            pooling: TokenPooling::parse(&self.pooling),
            normalize: self.normalize,
            size: plan.size,
        };
        let (vectors, rejects) = embedding.vectors(&rows).map_err(|e| e.at_column(&self.input_col))?;
        Ok(Output { columns: vec![vectors.into_column(self.output_type)?], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.model.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.model.prepared.notes.clone())
    }
}

impl HasSample for TextEmbedder {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "text",
            "outputCol": "vector",
            "model": {"sha256": put_blob(&sample_text_model())},
            "tokenizer": FileSource::of(&sample_tokenizer()).to_value(),
            "maxLength": 32,
        });
        Sample::new(params, sample_texts())
    }
}

#[cfg(test)]
mod tests;
