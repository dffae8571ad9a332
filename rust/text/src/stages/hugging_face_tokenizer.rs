//! `HuggingFaceTokenizer`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, FileSource, HasSample, Output, Rejects, Result, RowPolicy, Sample, Transform,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::{sample_texts, sample_tokenizer};
use crate::tokenizer_file::{MaxLength, TextTokenizer, TokenizerOptions, Tokens};

/// Converts strings to the token ids that a transformer model reads, with the vocabulary of a tokenizer.json.
///
/// The new columns hold arrays of 64-bit integers, with one element per token of the string. They have the names that models
/// use for their inputs, so `ONNXModel` finds them without a feedDict. All steps of the file are applied: normalization,
/// splitting, the vocabulary (word pieces, BPE, unigrams or whole words) and special tokens. The file's padding is not applied,
/// so that the tokens of a string depend on that string alone. For the same reason strings are not padded to the longest of a
/// batch, which on Spark would depend on how the rows are split. `ONNXModel` runs arrays of the same length together, and
/// `TextEmbedder` pads as little as possible. The file is parsed once per process.
///
/// A null is a row that cannot be processed. An empty string has only special tokens.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    kind = transformer,
    example = r#"
import pyarrow as pa
from mmlrs.testing import sample_tokenizer
from mmlrs.text import HuggingFaceTokenizer

table = pa.table({"text": ["The cat sat.", "A dog"]})
tokenizer = HuggingFaceTokenizer(inputCol="text", tokenizer=sample_tokenizer(), maxLength=8)
out = tokenizer.transform(table)
assert out.column_names == ["text", "input_ids", "attention_mask"]
assert out["attention_mask"].to_pylist() == [[1] * 6, [1] * 4]
"#
)]
pub struct HuggingFaceTokenizer {
    /// Name of the string column.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// The tokenizer.json, as saved by the `tokenizers` library and published on the Hugging Face hub next to a model: a path,
    /// bytes or a handle.
    #[param(required)]
    tokenizer: FileSource,
    /// Name of the column of token ids to add.
    #[param(default = "input_ids", role = output, non_empty)]
    input_ids_col: String,
    /// Name of the column of attention masks to add: 1 for a token, 0 for padding.
    #[param(default = "attention_mask", role = output, non_empty)]
    attention_mask_col: String,
    /// Name of the column of sentence numbers to add, as read by BERT and similar models: the sentence of each token, 0 for all
    /// tokens of a single string. Models call this input `token_type_ids`. If not set, no such column is added.
    #[param(role = output, non_empty)]
    token_type_ids_col: Option<String>,
    /// Maximum number of tokens of a string, including special ones. If not set, the length in the file, if it has one.
    #[param(range(1, 1_048_576))]
    max_length: Option<usize>,
    /// "none" keeps arrays as long as their strings. `"max_length"` pads each to maxLength with the padding token.
    #[param(default = "none", one_of("none", "max_length"))]
    padding: String,
    /// Truncate strings of more than maxLength tokens, on the side that the file sets, by default at the end. Otherwise they
    /// stay longer.
    #[param(default = true)]
    truncation: bool,
    /// Add the special tokens of the file, such as `[CLS]` and `[SEP]`.
    #[param(default = true)]
    add_special_tokens: bool,
    #[param(group)]
    policy: RowPolicy,
}

/// One of the three lists of a string's tokens.
type List = fn(&Tokens) -> &[u32];

impl HuggingFaceTokenizer {
    fn load(&self) -> Result<Arc<TextTokenizer>> {
        let options = TokenizerOptions {
            max_length: self.max_length.map_or(MaxLength::FileOr(None), MaxLength::Of),
            truncation: self.truncation,
            special_tokens: self.add_special_tokens,
        };
        let tokenizer = TextTokenizer::load(&self.tokenizer, options)?;
        if self.padding == "max_length" && tokenizer.max_length().is_none() {
            return Err(Error::param(
                "maxLength",
                "must be set for padding \"max_length\": the tokenizer.json has no length",
            ));
        }
        Ok(tokenizer)
    }

    fn columns(&self) -> impl Iterator<Item = (&String, List)> {
        let ids: (_, List) = (Some(&self.input_ids_col), |t| &t.ids);
        let mask: (_, List) = (Some(&self.attention_mask_col), |t| &t.mask);
        let types: (_, List) = (self.token_type_ids_col.as_ref(), |t| &t.types);
        [ids, mask, types].into_iter().filter_map(|(name, list)| Some((name?, list)))
    }
}

impl Transform for HuggingFaceTokenizer {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        self.load()?;
        Ok(self.columns().map(|(name, _)| Field::new(name, DataType::List(item()), true)).collect())
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let tokenizer = self.load()?;
        let texts = block.column(&self.input_col)?.to_arrow(cx)?;
        let mut rejects = Rejects::new(self.policy.handle_invalid);
        let mut rows = Vec::with_capacity(texts.len());
        if self.padding == "max_length"
            && i32::try_from(texts.len().saturating_mul(tokenizer.max_length().unwrap_or(0))).is_err()
        {
            return Err(Error::batch_too_large("the padded tokens", "numbers"));
        }
        for (row, tokens) in tokenizer.encode_column(&self.input_col, &texts, cx.threads)?.into_iter().enumerate() {
            match tokens {
                Ok(mut tokens) => {
                    if self.padding == "max_length" {
                        tokenizer.pad(&mut tokens, tokenizer.max_length().unwrap_or(0));
                    }
                    rows.push(Some(tokens));
                }
                Err(error) => {
                    rejects.reject(row, error.at_column(&self.input_col))?;
                    rows.push(None);
                }
            }
        }
        let columns = self.columns().map(|(_, list)| Ok(Column::arrow(lists(&rows, list)?))).collect::<Result<_>>()?;
        Ok(Output { columns, invalid: rejects.into_rows() })
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Int64, true))
}

fn lists(rows: &[Option<Tokens>], list: List) -> Result<ArrayRef> {
    let lengths = || rows.iter().map(|row| row.as_ref().map_or(0, |tokens| list(tokens).len()));
    let total: usize = lengths().sum();
    if i32::try_from(total).is_err() {
        return Err(Error::batch_too_large("the tokens", "numbers"));
    }
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let values: Int64Array = rows.iter().flatten().flat_map(list).map(|id| i64::from(*id)).collect();
    Ok(Arc::new(ListArray::try_new(item(), OffsetBuffer::from_lengths(lengths()), Arc::new(values), nulls)?))
}

impl HasSample for HuggingFaceTokenizer {
    fn sample() -> Sample {
        let tokenizer = FileSource::of(&sample_tokenizer()).to_value();
        Sample::new(json!({"inputCol": "text", "tokenizer": tokenizer, "maxLength": 8}), sample_texts())
    }
}
