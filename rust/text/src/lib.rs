//! Text stages: from a column of strings to tokens, pages and hashed features.
//!
//! [`TextHasher`] is the kernel of `TextFeaturizer`, for use by other stages. Each thread has its own, with
//! [`DocumentFrequencies`] to learn from its rows and [`Idf`] to weight them.

mod column;
mod frequencies;
mod hasher;
mod java_regex;
mod lower;
mod once;
pub mod sample;
mod slot;
pub mod stages;
mod stop_words;
mod tokenizer_file;
mod tokens;

pub use column::{TextListWriter, TextLists, Texts, check_text_list, is_text_list, text_list_type};
pub use frequencies::{DocumentFrequencies, Idf, MAX_COUNTED_SLOTS};
pub use hasher::{SparseRow, TextHasher, TextOptions};
pub use java_regex::JavaRegex;
pub use lower::lower_into;
pub use slot::Slots;
pub use stop_words::{StopWords, default_stop_words};
pub use tokenizer_file::{MaxLength, TextTokenizer, TokenizerOptions, Tokens};
pub use tokens::Tokenizer;
