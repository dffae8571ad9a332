//! `TextPreprocessor`.

use std::collections::HashMap;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, Error, HasSample, Output, Result, RowPolicy, Sample, StrMap, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::column::{TextWriter, Texts, reject_nulls};
use crate::once::Once;

/// Maximum number of characters of a key, since the cost of a search grows more than linearly in its length.
const MAX_KEY: usize = 1000;

/// Replaces the matches of a map's keys by their values.
///
/// The string is searched from left to right. If several keys match at one position, the longest wins. Replacements are not
/// searched again. A key also matches inside a word, as with `str.replace`, and the rest of the word stays. To match whole
/// words only, include spaces in the key. Text without matches is unchanged.
///
/// `normFunc` applies to the comparison only: with "lowerCase" the key `NYC` matches `nyc` and `Nyc`. Characters are compared
/// one by one, by their lower or upper case if that is a single character.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    kind = transformer,
    example = r#"import pyarrow as pa
from mmlrs.text import TextPreprocessor

table = pa.table({"text": ["NYC is not ny"]})
stage = TextPreprocessor(
    inputCol="text", outputCol="clean", map={"nyc": "New York City", "ny": "New York"}, normFunc="lowerCase"
)
assert stage.transform(table)["clean"].to_pylist() == ["New York City is not New York"]
"#
)]
pub struct TextPreprocessor {
    /// Name of the column of strings.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the column of strings to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// The strings to replace and their replacements. Keys must not be empty, longer than 1,000 characters, or equal after
    /// `normFunc`.
    #[param(default = {})]
    map: StrMap,
    /// How keys and text are compared: unchanged, or in lower or upper case.
    #[param(default = "identity", one_of("identity", "lowerCase", "upperCase"))]
    norm_func: String,
    #[param(group)]
    policy: RowPolicy,
    #[param(group)]
    search: Once<AhoCorasick>,
}

impl TextPreprocessor {
    /// The form of `c` that is compared.
    fn norm(&self, c: char) -> char {
        let single = |mut chars: Box<dyn Iterator<Item = char>>| match (chars.next(), chars.next()) {
            (Some(one), None) => one,
            _ => c,
        };
        match (self.norm_func.as_str(), c) {
            ("identity", c) => c,
            ("lowerCase", 'ς') => 'σ',
            ("lowerCase", c) if c.is_ascii() => c.to_ascii_lowercase(),
            ("lowerCase", c) => single(Box::new(c.to_lowercase())),
            (_, c) if c.is_ascii() => c.to_ascii_uppercase(),
            (_, c) => single(Box::new(c.to_uppercase())),
        }
    }

    fn search(&self) -> Result<Arc<AhoCorasick>> {
        self.search.get(|| {
            let mut key_of_normal: HashMap<String, &str> = HashMap::new();
            let mut keys = Vec::new();
            for (key, _) in &self.map.0 {
                let normal: String = key.chars().map(|c| self.norm(c)).collect();
                if key.is_empty() {
                    return Err(Error::param("map", "must not have an empty key"));
                }
                if normal.chars().count() > MAX_KEY {
                    let start: String = key.chars().take(40).collect();
                    let message = format!("must not have keys of more than {MAX_KEY} characters, such as `{start}`...");
                    return Err(Error::param("map", message));
                }
                if let Some(other) = key_of_normal.insert(normal.clone(), key) {
                    let message = format!("has the keys `{other}` and `{key}`, which are equal after `normFunc`");
                    return Err(Error::param("map", message));
                }
                keys.push(normal);
            }
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&keys)
                .map_err(|e| Error::param("map", format!("is too large: {e}")))
        })
    }

    /// Appends `text` with its matches replaced; `normal` is overwritten.
    fn replace(&self, search: &AhoCorasick, text: &str, normal: &mut String, out: &mut String) {
        normal.clear();
        normal.extend(text.chars().map(|c| self.norm(c)));
        // Positions in the text for positions in its normal form, which has the same number of characters but not of bytes.
        let mut pairs = normal.char_indices().map(|(at, _)| at).zip(text.char_indices().map(|(at, _)| at));
        let mut place = |at: usize| pairs.by_ref().find(|(normal, _)| *normal >= at).map_or(text.len(), |(_, at)| at);
        let (mut copied, mut normal_copied) = (0, 0);
        for hit in search.find_iter(normal.as_str()) {
            let start = if hit.start() == normal_copied { copied } else { place(hit.start()) };
            out.push_str(&text[copied..start]);
            out.push_str(&self.map.0[hit.pattern().as_usize()].1);
            (copied, normal_copied) = (place(hit.end()), hit.end());
        }
        out.push_str(&text[copied..]);
    }
}

impl Transform for TextPreprocessor {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        self.search()?;
        Ok(vec![Field::new(&self.output_col, DataType::Utf8, true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let texts = Texts::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?)?;
        let nulls = |row| texts.is_null(row);
        let rejects = reject_nulls(&self.input_col, texts.len(), self.policy.handle_invalid, nulls)?;
        let search = self.search()?;
        let mut out = TextWriter::default();
        let mut normal = String::new();
        for row in 0..texts.len() {
            if let Some(text) = texts.row(row) {
                self.replace(&search, &text, &mut normal, out.text());
            }
            out.end();
        }
        let valid: NullBuffer = (0..texts.len()).map(|row| !texts.is_null(row)).collect::<Vec<bool>>().into();
        let array = out.finish(Some(valid))?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(array))], invalid: rejects.into_rows() })
    }
}

impl HasSample for TextPreprocessor {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "text", "outputCol": "clean", "map": {"dog": "cat", "do": "did", "ufer": "Strand"},
            "normFunc": "lowerCase",
        });
        Sample::new(params, crate::sample::text_batch())
    }
}

#[cfg(test)]
mod tests {
    use mmlrs_core::{ParamMap, Stage};

    use super::*;

    fn replaced(map: &serde_json::Value, norm_func: &str, text: &str) -> Result<String> {
        let params = json!({"inputCol": "t", "map": map, "normFunc": norm_func});
        let params = ParamMap::new("p", params.as_object().cloned().unwrap_or_default());
        let stage = TextPreprocessor::from_params(&params)?;
        let mut out = String::new();
        stage.replace(&*stage.search()?, text, &mut String::new(), &mut out);
        Ok(out)
    }

    #[test]
    fn the_longest_key_wins_and_the_rest_of_a_word_stays() -> Result<()> {
        assert_eq!(replaced(&json!({"a": "1", "ab": "2", "abcd": "3"}), "identity", "abc abcd a")?, "2c 3 1");
        assert_eq!(replaced(&json!({"happy": "sad"}), "identity", "unhappyness")?, "unsadness");
        assert_eq!(replaced(&json!({"a": "aa"}), "identity", "aaa")?, "aaaaaa");
        assert_eq!(replaced(&json!({"aa": ""}), "identity", "aaaaa")?, "a");
        assert_eq!(replaced(&json!({}), "identity", "as it is")?, "as it is");
        Ok(())
    }

    #[test]
    fn case_is_for_the_comparison_alone() -> Result<()> {
        assert_eq!(replaced(&json!({"NYC": "New York"}), "lowerCase", "The nYc of İ")?, "The New York of İ");
        assert_eq!(replaced(&json!({"σοφός": "wise"}), "lowerCase", "Ο ΣΟΦΌΣ!")?, "Ο wise!");
        assert_eq!(replaced(&json!({"straße": "road"}), "upperCase", "STRASSE Straße")?, "STRASSE road");
        assert_eq!(replaced(&json!({"b": "x"}), "identity", "B b")?, "B x");
        // Ⱥ has two bytes, its lower case three.
        assert_eq!(replaced(&json!({"ⱥb": "x", "c": "y"}), "lowerCase", "ȺȺBȺcȺBC")?, "ȺxȺyxy");
        Ok(())
    }

    #[test]
    fn keys_that_cannot_be_told_apart_are_refused() {
        for map in [json!({"": "x"}), json!({"A": "x", "a": "y"})] {
            let error = replaced(&map, "lowerCase", "").err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.starts_with("param `map` "), "{error}");
        }
    }
}
