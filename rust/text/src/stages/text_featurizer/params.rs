//! The params that `TextFeaturizer` and its model share.

use std::ops::Range;

use arrow_schema::Schema;
use mmlrs_core::{Block, Context, Error, Result, RowPolicy, VectorType, types};
use mmlrs_macros::ParamGroup;

use crate::column::{TextLists, Texts, is_text_list};
use crate::hasher::{SparseRow, TextHasher, TextOptions};
use crate::java_regex::JavaRegex;
use crate::stop_words::{StopWords, default_stop_words};
use crate::tokens::Tokenizer;

/// Column names, and the switches of the five steps.
#[derive(Debug, Clone, ParamGroup)]
#[expect(clippy::struct_excessive_bools, reason = "every switch is a separate param")]
pub struct TextFeaturizerParams {
    /// Name of the column of strings, or with `useTokenizer=False` of lists of tokens.
    #[param(required, non_empty, role = input, accepts(text, array))]
    pub input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    pub output_col: String,
    /// Split strings into tokens, like Spark's `RegexTokenizer`. Otherwise the column holds lists of tokens.
    #[param(default = true)]
    pub use_tokenizer: bool,
    /// Whether the pattern matches the gaps between the tokens. Otherwise it matches the tokens.
    #[param(default = true)]
    pub tokenizer_gaps: bool,
    /// Minimum length of a token in characters. A character outside the basic plane counts as two, as in Java. With 0 an empty
    /// string has one token, which is empty, and a string that starts with a gap has an empty first token.
    #[param(default = 0, min(0))]
    pub min_token_length: usize,
    /// Regular expression with Java's meaning; `\s`, `\d` and `\w` are ASCII. A match takes time linear in the text. Constructs
    /// that need backtracking, such as look-around and back-references, are an error.
    #[param(default = r"\s+")]
    pub tokenizer_pattern: JavaRegex,
    /// Lower-case the string before it is split.
    #[param(default = true)]
    pub to_lowercase: bool,
    /// Remove stop words.
    #[param(default = false)]
    pub use_stop_words_remover: bool,
    /// Whether stop words are case-sensitive.
    #[param(default = false)]
    pub case_sensitive_stop_words: bool,
    /// Language of the stop words: one for which Spark ships a list, or "custom" for those in `stopWords`.
    #[param(
        default = "english",
        one_of(
            "custom",
            "danish",
            "dutch",
            "english",
            "finnish",
            "french",
            "german",
            "hungarian",
            "italian",
            "norwegian",
            "portuguese",
            "russian",
            "spanish",
            "swedish",
            "turkish"
        )
    )]
    pub default_stop_word_language: String,
    /// The stop words if `defaultStopWordLanguage` is "custom".
    #[param]
    pub stop_words: Option<Vec<String>>,
    /// Count n-grams instead of tokens: `nGramLength` tokens separated by spaces. A string with fewer tokens has none.
    #[param(default = false)]
    pub use_n_gram: bool,
    /// Number of tokens of an n-gram.
    #[param(default = 2, range(1, 1000))]
    pub n_gram_length: usize,
    /// Count every term of a string once, regardless of how often it occurs.
    #[param(default = false)]
    pub binary: bool,
    /// Number of slots of the vectors. At most 134217728 with `useIDF`, which counts every slot. A term has the same slot as in
    /// Spark's `HashingTF`.
    #[param(default = 262_144, range(1, 2_147_483_647))]
    pub num_features: i64,
    /// Slots that occur in fewer strings than this have weight 0.
    #[param(default = 1, min(0))]
    pub min_doc_freq: i64,
    #[param(group)]
    pub output_type: VectorType,
    #[param(group)]
    pub policy: RowPolicy,
}

impl TextFeaturizerParams {
    /// The kernel of these params.
    pub fn hasher(&self) -> Result<TextHasher> {
        let tokenizer = self.use_tokenizer.then(|| Tokenizer {
            pattern: self.tokenizer_pattern.clone(),
            gaps: self.tokenizer_gaps,
            min_length: self.min_token_length,
            lowercase: self.to_lowercase,
        });
        Ok(TextHasher::new(TextOptions {
            tokenizer,
            stop_words: self.stop_words()?,
            n_gram: self.use_n_gram.then_some(self.n_gram_length),
            binary: self.binary,
            num_features: self.num_features as i32,
        }))
    }

    fn stop_words(&self) -> Result<Option<StopWords>> {
        let language = self.default_stop_word_language.as_str();
        let words = match (language, &self.stop_words) {
            ("custom", Some(words)) => words.clone(),
            ("custom", None) if self.use_stop_words_remover => {
                return Err(Error::param("stopWords", "must be set if `defaultStopWordLanguage` is \"custom\""));
            }
            (language, Some(_)) => {
                let message = format!(
                    "has no effect if `defaultStopWordLanguage` is \"{language}\"; set that param to \"custom\""
                );
                return Err(Error::param("stopWords", message));
            }
            (language, None) => default_stop_words(language).unwrap_or_default(),
        };
        let set = || StopWords::new(words.iter().map(String::as_str), self.case_sensitive_stop_words);
        Ok(self.use_stop_words_remover.then(set))
    }

    /// Returns an error if the type of the column does not match `useTokenizer`.
    pub fn check_input(&self, input: &Schema) -> Result<()> {
        let data_type = input.field_with_name(&self.input_col)?.data_type();
        match (self.use_tokenizer, types::is_text(data_type), is_text_list(data_type)) {
            (true, true, _) | (false, _, true) => Ok(()),
            (true, _, true) => {
                Err(Error::schema(&self.input_col, "holds lists of tokens; set useTokenizer=False to read them"))
            }
            (false, true, _) => {
                Err(Error::schema(&self.input_col, "holds strings, not lists of tokens; set useTokenizer=True"))
            }
            (true, ..) => Err(Error::schema(&self.input_col, "is not a string")),
            (false, ..) => Err(Error::schema(&self.input_col, "is not an array<string>")),
        }
    }

    /// The rows of a batch.
    pub fn input(&self, block: &Block, cx: Context) -> Result<Documents> {
        let array = block.column(&self.input_col)?.to_arrow(&cx)?;
        Ok(if self.use_tokenizer {
            Documents::Texts(Texts::new(&self.input_col, &array)?)
        } else {
            Documents::Tokens(TextLists::new(&self.input_col, &array)?)
        })
    }
}

/// The rows of a batch: strings, or lists of tokens.
#[derive(Debug)]
pub enum Documents {
    /// Strings.
    Texts(Texts),
    /// Lists of tokens.
    Tokens(TextLists),
}

impl Documents {
    /// Whether the row is null.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Texts(texts) => texts.is_null(row),
            Self::Tokens(lists) => lists.is_null(row),
        }
    }

    /// Hashes the rows of a range one by one into the same buffer, which is passed to `take`; None for null.
    pub fn hash(&self, rows: Range<usize>, hasher: &mut TextHasher, mut take: impl FnMut(Option<&mut SparseRow>)) {
        let mut out = SparseRow::default();
        for row in rows {
            match self {
                Self::Texts(texts) => {
                    let Some(text) = texts.row(row) else {
                        take(None);
                        continue;
                    };
                    hasher.hash_row(&text, &mut out);
                }
                Self::Tokens(lists) => {
                    let Some(tokens) = lists.row(row) else {
                        take(None);
                        continue;
                    };
                    let tokens: Vec<_> = tokens.collect();
                    hasher.hash_tokens(tokens.iter().map(Option::as_deref), &mut out);
                }
            }
            take(Some(&mut out));
        }
    }
}
