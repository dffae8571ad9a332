//! Text: from a column of strings to tokens, pages and hashed features.
//!
//! [`TextHasher`] is the kernel of `TextFeaturizer` for use by other stages: one for each thread, with
//! [`DocumentFrequencies`] to learn from its rows and [`Idf`] to weigh them.

mod column;
mod frequencies;
mod hasher;
mod java_regex;
mod lower;
mod multi_n_gram;
mod once;
mod page_splitter;
mod sample;
mod slot;
mod stop_words;
mod text_featurizer;
mod text_featurizer_model;
mod text_params;
mod text_preprocessor;
mod tokenizer;
mod tokenizer_file;
mod tokenizer_sample;
mod tokens;
mod unicode_normalize;

pub use column::{TextLists, Texts, is_text_list};
pub use frequencies::{DocumentFrequencies, Idf, MAX_COUNTED_SLOTS};
pub use hasher::{SparseRow, TextHasher, TextOptions};
pub use java_regex::JavaRegex;
pub use multi_n_gram::MultiNGram;
pub use page_splitter::PageSplitter;
pub use stop_words::{StopWords, default_stop_words};
pub use text_featurizer::TextFeaturizer;
pub use text_featurizer_model::TextFeaturizerModel;
pub use text_preprocessor::TextPreprocessor;
pub use tokenizer::HuggingFaceTokenizer;
pub use tokenizer_file::{MaxLength, TextTokenizer, TokenizerOptions, Tokens};
pub use tokenizer_sample::{SAMPLE_VOCABULARY, sample_texts, sample_tokenizer};
pub use tokens::Tokenizer;
pub use unicode_normalize::UnicodeNormalize;
