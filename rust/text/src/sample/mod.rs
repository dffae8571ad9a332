//! Small data for samples and tests.

mod tokenizer;

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};

pub use tokenizer::{SAMPLE_VOCABULARY, sample_texts, sample_tokenizer};

const TEXTS: [&str; 5] = [
    "The quick brown fox jumps over the lazy dog. The dog does not mind.",
    "Der Fluß ist BREIT und das Ufer weit; e\u{301}te\u{301} als Sommer",
    "قال الطالب إن الكتاب على الطاولة",
    "",
    "Ο ΣΟΦΟΣ ﬁnds  2½ Ωs",
];

fn batch(name: &str, data_type: DataType, column: ArrayRef) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![Field::new(name, data_type, true)]));
    RecordBatch::try_new(schema.clone(), vec![column]).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// Strings in several scripts, one of them empty.
pub fn text_batch() -> RecordBatch {
    batch("text", DataType::Utf8, Arc::new(StringArray::from(TEXTS.to_vec())))
}

/// The strings of [`text_batch`] as lists of tokens.
pub fn token_batch() -> RecordBatch {
    let item = Field::new("element", DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(item);
    for text in TEXTS {
        lists.append_value(text.split_whitespace().map(Some));
    }
    batch("tokens", crate::column::text_list_type(), Arc::new(lists.finish()))
}
