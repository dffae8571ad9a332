//! A small tokenizer and short strings for samples, examples and tests.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde_json::{Map, Value, json};

/// The words of the samples. All other words are spelt letter by letter.
const WORDS: [&str; 8] = ["the", "a", "cat", "dog", "sat", "on", "mat", "word"];

/// A tokenizer.json like BERT's: lower case, word pieces, `[CLS]` at the start and `[SEP]` at the end. Its vocabulary has
/// [`SAMPLE_VOCABULARY`] entries: a few words and the letters from a to z.
pub fn sample_tokenizer() -> Vec<u8> {
    let letters = 'a'..='z';
    let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into_iter();
    let tokens = tokens.chain(WORDS.map(str::to_owned));
    let tokens = tokens.chain(letters.clone().filter(|c| *c != 'a').map(String::from));
    let tokens = tokens.chain(letters.map(|c| format!("##{c}"))).chain([".".to_owned()]);
    let vocabulary: Map<String, Value> = tokens.enumerate().map(|(id, token)| (token, json!(id))).collect();
    let special = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            "special": true,
        })
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
    .to_string()
    .into_bytes()
}

/// Number of tokens in the vocabulary of [`sample_tokenizer`].
pub const SAMPLE_VOCABULARY: usize = 4 + WORDS.len() + 25 + 26 + 1;

/// Strings of different lengths in the column `text`, including an empty one.
pub fn sample_texts() -> RecordBatch {
    let texts = ["The cat sat on the mat.", "A dog", "", "word word word word word word", "Unheard of"];
    let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
    RecordBatch::try_new(schema.clone(), vec![Arc::new(StringArray::from(texts.to_vec()))])
        .unwrap_or_else(|_| RecordBatch::new_empty(schema))
}
