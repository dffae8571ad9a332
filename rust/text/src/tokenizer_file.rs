//! A tokenizer.json, parsed once per process, and the tokens of strings.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayAccessor, ArrayRef};
use arrow_schema::DataType;
use mmlrs_core::{Cache, Error, FileKey, FileSource, ModelSource, Result, ThreadBudget, guarded, parallel_map, types};
use tokenizers::{
    PaddingDirection, PostProcessor, Tokenizer, TruncationDirection, TruncationParams, TruncationStrategy,
};

/// Maximum number of cached tokenizers, and maximum bytes of their files.
const TOKENIZERS: usize = 8;
const TOKENIZER_BYTES: usize = 256 << 20;

/// The padding tokens of well-known vocabularies, for a file that does not name its own.
const PAD_TOKENS: [&str; 4] = ["[PAD]", "<pad>", "<|pad|>", "<|endoftext|>"];

/// Maximum number of tokens of a string, including special ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaxLength {
    /// This many.
    Of(usize),
    /// The number in the file; if it has none, this number or no limit.
    FileOr(Option<usize>),
}

/// The use of a tokenizer, which is part of the cache key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenizerOptions {
    /// The length to which strings are truncated.
    pub max_length: MaxLength,
    /// Whether longer strings are truncated.
    pub truncation: bool,
    /// Whether to add the tokens of the file's post-processor, such as `[CLS]` and `[SEP]`.
    pub special_tokens: bool,
}

/// A parsed tokenizer.json, ready for use.
#[derive(Debug)]
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    options: TokenizerOptions,
    max_length: Option<usize>,
    pad: PadToken,
}

/// The padding of a row.
#[derive(Debug, Clone, Copy)]
struct PadToken {
    id: u32,
    type_id: u32,
    in_front: bool,
}

/// The tokens of one string. The three lists have the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Ids in the vocabulary.
    pub ids: Vec<u32>,
    /// 1 for a token, 0 for padding.
    pub mask: Vec<u32>,
    /// The sentence number of each token: 0 for a single string, unless the post-processor differs.
    pub types: Vec<u32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Bytes(String),
    File(FileKey),
}

type Key = (Content, TokenizerOptions);

static CACHE: Cache<Key, TextTokenizer> = Cache::new("tokenizers", TOKENIZERS, TOKENIZER_BYTES);

impl TextTokenizer {
    /// The tokenizer of a file, parsed now unless it is cached.
    pub fn load(file: &FileSource, options: TokenizerOptions) -> Result<Arc<Self>> {
        let content = match &file.0 {
            ModelSource::Blob(sha256) => Content::Bytes(sha256.clone()),
            ModelSource::Path(path) => Content::File(FileKey::of(path, "a tokenizer is the tokenizer.json in it")?),
        };
        let key: Key = (content, options);
        let name = match &file.0 {
            ModelSource::Blob(sha256) => format!("the tokenizer with SHA-256 {}", &sha256[..sha256.len().min(12)]),
            ModelSource::Path(path) => format!("`{}`", path.display()),
        };
        CACHE.get_or_make(key, || {
            let bytes = file.read()?;
            let parsed = guarded(|| Self::parse(&bytes, &name, options));
            Ok((parsed.unwrap_or_else(|panic| Err(damaged(&name, &panic)))?, bytes.len()))
        })
    }

    fn parse(bytes: &[u8], name: &str, options: TokenizerOptions) -> Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| damaged(name, &e.to_string()))?;
        let pad = PadToken::of(&tokenizer);
        let own = tokenizer.get_truncation().map(|t| t.max_length);
        let max_length = match options.max_length {
            MaxLength::Of(n) => Some(n),
            MaxLength::FileOr(other) => own.or(other),
        };
        let direction = tokenizer.get_truncation().map_or(TruncationDirection::Right, |t| t.direction);
        tokenizer.with_padding(None);
        let cut_at = max_length.filter(|_| options.truncation);
        if let Some(cut_at) = cut_at {
            let special = tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
            if cut_at <= special {
                return Err(Error::param(
                    "maxLength",
                    format!("must be greater than {special}, the number of special tokens of each text, got {cut_at}"),
                ));
            }
        }
        let strategy = TruncationStrategy::LongestFirst;
        let truncation = cut_at.map(|max_length| TruncationParams { max_length, strategy, stride: 0, direction });
        tokenizer.with_truncation(truncation).map_err(|e| Error::model(format!("{name} cannot be used: {e}")))?;
        Ok(Self { tokenizer, options, max_length, pad })
    }

    /// Maximum number of tokens of a string, from the params and the file; `None` means no limit.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// The id of the padding token.
    pub fn pad_id(&self) -> u32 {
        self.pad.id
    }

    /// The tokens of one string.
    pub fn encode(&self, text: &str) -> Result<Tokens> {
        let failed = |cause: String| Error::decode(format!("cannot be tokenized: {cause}"));
        let encoding = guarded(|| self.tokenizer.encode_fast(text, self.options.special_tokens))
            .map_err(failed)?
            .map_err(|e| failed(e.to_string()))?;
        Ok(Tokens {
            ids: encoding.get_ids().to_vec(),
            mask: encoding.get_attention_mask().to_vec(),
            types: encoding.get_type_ids().to_vec(),
        })
    }

    /// The tokens of each row of a string column, or the reason why the row has none.
    pub fn encode_column(&self, column: &str, array: &ArrayRef, threads: ThreadBudget) -> Result<Vec<Result<Tokens>>> {
        match array.data_type() {
            DataType::Utf8 => self.encode_rows(&array.as_string::<i32>(), threads),
            DataType::LargeUtf8 => self.encode_rows(&array.as_string::<i64>(), threads),
            DataType::Utf8View => self.encode_rows(&array.as_string_view(), threads),
            other => Err(Error::schema(column, format!("has type {}; expected a string", types::type_name(other)))),
        }
    }

    fn encode_rows<'a>(
        &self,
        texts: &(impl ArrayAccessor<Item = &'a str> + Sync),
        threads: ThreadBudget,
    ) -> Result<Vec<Result<Tokens>>> {
        parallel_map(threads, texts.len(), |row| {
            if texts.is_null(row) { Err(Error::decode("is null")) } else { self.encode(texts.value(row)) }
        })
    }

    /// Pads the tokens to `length` on the side that the file sets, by default at the end.
    pub fn pad(&self, tokens: &mut Tokens, length: usize) {
        let missing = length.saturating_sub(tokens.ids.len());
        let PadToken { id, type_id, in_front } = self.pad;
        for (list, filler) in [(&mut tokens.ids, id), (&mut tokens.mask, 0), (&mut tokens.types, type_id)] {
            let at = if in_front { 0 } else { list.len() };
            list.splice(at..at, std::iter::repeat_n(filler, missing));
        }
    }
}

fn damaged(name: &str, cause: &str) -> Error {
    Error::model(format!("{name} is not a tokenizer.json, or is damaged or truncated ({})", cause.trim()))
}

impl PadToken {
    /// The padding of the file, else a padding token found by name.
    fn of(tokenizer: &Tokenizer) -> Self {
        if let Some(padding) = tokenizer.get_padding() {
            let in_front = matches!(padding.direction, PaddingDirection::Left);
            return Self { id: padding.pad_id, type_id: padding.pad_type_id, in_front };
        }
        let id = PAD_TOKENS.iter().find_map(|token| tokenizer.token_to_id(token)).unwrap_or(0);
        Self { id, type_id: 0, in_front: false }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::sample::sample_tokenizer;

    const OPTIONS: TokenizerOptions =
        TokenizerOptions { max_length: MaxLength::FileOr(None), truncation: true, special_tokens: true };

    fn with(change: impl FnOnce(&mut Value)) -> FileSource {
        let mut file: Value = serde_json::from_slice(&sample_tokenizer()).expect("JSON");
        change(&mut file);
        FileSource::of(file.to_string().as_bytes())
    }

    #[test]
    fn a_text_becomes_the_numbers_of_its_words_between_the_special_tokens() {
        let tokenizer = TextTokenizer::load(&with(|_| ()), OPTIONS).expect("a tokenizer");
        let tokens = tokenizer.encode("The CAT.").expect("tokens");
        assert_eq!(tokens.ids, [2, 4, 6, 63, 3]);
        assert_eq!(tokens.mask, [1; 5]);
        assert_eq!(tokens.types, [0; 5]);
        assert_eq!(tokenizer.encode("").expect("tokens").ids, [2, 3]);
    }

    #[test]
    fn the_same_file_with_the_same_options_is_parsed_once() {
        let first = TextTokenizer::load(&with(|_| ()), OPTIONS).expect("a tokenizer");
        assert!(Arc::ptr_eq(&first, &TextTokenizer::load(&with(|_| ()), OPTIONS).expect("a tokenizer")));
        let other = TokenizerOptions { max_length: MaxLength::Of(5), ..OPTIONS };
        assert!(!Arc::ptr_eq(&first, &TextTokenizer::load(&with(|_| ()), other).expect("a tokenizer")));
    }

    #[test]
    fn the_length_is_that_of_the_param_or_of_the_file_or_a_given_one() {
        let file = with(|f| {
            f["truncation"] = json!({"max_length": 6, "strategy": "LongestFirst", "stride": 0, "direction": "Left"});
        });
        let length = |file: &FileSource, max_length| {
            TextTokenizer::load(file, TokenizerOptions { max_length, ..OPTIONS }).map(|t| t.max_length())
        };
        assert_eq!(length(&file, MaxLength::FileOr(Some(9))), Ok(Some(6)));
        assert_eq!(length(&file, MaxLength::Of(4)), Ok(Some(4)));
        assert_eq!(length(&with(|_| ()), MaxLength::FileOr(Some(9))), Ok(Some(9)));
        let cut = TextTokenizer::load(&file, OPTIONS).and_then(|t| t.encode("a b c d e f")).expect("tokens");
        assert_eq!(cut.ids, [2, 13, 14, 15, 16, 3], "the last four letters: the file cuts in front");
    }

    #[test]
    fn a_length_without_room_for_text_is_an_error_that_names_the_param() {
        let options = TokenizerOptions { max_length: MaxLength::Of(2), ..OPTIONS };
        let error = TextTokenizer::load(&with(|_| ()), options).err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("param `maxLength` must be greater than 2, the number of special tokens of each text, got 2")
        );
    }

    #[test]
    fn padding_goes_where_the_file_says() {
        let padding = |direction: &str| {
            json!({
                "strategy": {"Fixed": 8}, "direction": direction, "pad_to_multiple_of": null, "pad_id": 7,
                "pad_type_id": 1, "pad_token": "dog",
            })
        };
        let padded = |file: &FileSource| {
            let tokenizer = TextTokenizer::load(file, OPTIONS).expect("a tokenizer");
            let mut tokens = tokenizer.encode("a").expect("tokens");
            assert_eq!(tokens.ids.len(), 3, "the file's own padding is not applied");
            tokenizer.pad(&mut tokens, 5);
            tokens
        };
        let behind = padded(&with(|f| f["padding"] = padding("Right")));
        assert_eq!(
            (behind.ids, behind.mask, behind.types),
            (vec![2, 5, 3, 7, 7], vec![1, 1, 1, 0, 0], vec![0, 0, 0, 1, 1])
        );
        assert_eq!(padded(&with(|f| f["padding"] = padding("Left"))).ids, [7, 7, 2, 5, 3]);
        assert_eq!(padded(&with(|_| ())).ids, [2, 5, 3, 0, 0]);
    }

    #[test]
    fn a_damaged_file_is_one_clear_error() {
        let good = sample_tokenizer();
        for bytes in [&good[..good.len() / 2], b"", b"{}", b"\xff\xfe", b"[1]"] {
            let error = TextTokenizer::load(&FileSource::of(bytes), OPTIONS).err().map(|e| e.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains("is not a tokenizer.json, or is damaged or truncated"), "{error}");
        }
    }

    #[test]
    fn a_folder_says_which_file_is_wanted() {
        let folder = FileSource(ModelSource::Path(std::env::temp_dir()));
        let error = TextTokenizer::load(&folder, OPTIONS).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("is a folder; a tokenizer is the tokenizer.json in it"), "{error}");
    }

    #[test]
    fn a_text_of_a_million_characters_is_cut_like_any_other() {
        let options = TokenizerOptions { max_length: MaxLength::Of(16), ..OPTIONS };
        let tokenizer = TextTokenizer::load(&with(|_| ()), options).expect("a tokenizer");
        for text in ["cat ".repeat(250_000), "x".repeat(1_000_000), " ".repeat(1_000_000), "\u{301}".repeat(500_000)] {
            assert!(tokenizer.encode(&text).expect("tokens").ids.len() <= 16);
        }
    }
}
