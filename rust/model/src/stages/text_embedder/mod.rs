//! `TextEmbedder`: tokenizes, infers, pools and normalizes in one pass over the batch.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, FileSource, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, VectorType,
    put_blob,
};
use mmlrs_macros::Stage;
use mmlrs_text::sample::{sample_texts, sample_tokenizer};
use serde_json::json;

use crate::prepare::portable::portable;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_text_model;
use crate::text_network::params::TextInput;
use crate::text_network::plan::{Request, TextPlan};

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
    #[param(group)]
    input: TextInput,
    /// Scale each vector to Euclidean length 1, so that dot products are cosines.
    #[param(default = true)]
    normalize: bool,
    #[param(group)]
    output_type: VectorType,
    #[param(group)]
    run: RunParams,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<TextPlan>,
}

impl TextEmbedder {
    fn plan(&self) -> Result<Arc<TextPlan>> {
        self.plan.get_or_make(|| {
            TextPlan::make(Request {
                model: &self.model,
                tokenizer: &self.tokenizer,
                input: &self.input,
                run: &self.run,
            })
        })
    }
}

impl Transform for TextEmbedder {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        Ok(vec![self.output_type.field(&self.output_col, self.plan()?.size)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let texts = block.column(&self.input_col)?.to_arrow(cx)?;
        let policy = self.row_policy.handle_invalid;
        let (vectors, rejects) =
            self.plan()?.vectors(&self.input_col, &texts, self.normalize, &self.run, policy, cx)?;
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
