//! Text: from a column of strings to tokens, pages and hashed features.

mod tokenizer;
mod tokenizer_file;
mod tokenizer_sample;

pub use tokenizer::HuggingFaceTokenizer;
pub use tokenizer_file::{MaxLength, TextTokenizer, TokenizerOptions, Tokens};
pub use tokenizer_sample::{SAMPLE_VOCABULARY, sample_texts, sample_tokenizer};
