//! Texts to tokens, and tokens without stop words.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::Field;
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::{Error, ParamField, Result};
use mmlrs_text::{
    JavaRegex, StopWords, TextListWriter, TextLists, Texts, Tokenizer, is_text_list, lower_into, text_list_type,
};
use serde::Deserialize;

use crate::step::{Computed, Inputs, Step};

/// Tokens of strings, as `Tokenizer` and `RegexTokenizer` split them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizeText {
    pattern: String,
    gaps: bool,
    min_length: usize,
    lowercase: bool,
    #[serde(skip)]
    tokenizer: Option<Tokenizer>,
}

impl TokenizeText {
    pub fn ready(mut self) -> Result<Self, String> {
        let pattern = JavaRegex::from_value(&self.pattern.as_str().into()).map_err(|e| format!("its pattern {e}"))?;
        self.tokenizer =
            Some(Tokenizer { pattern, gaps: self.gaps, min_length: self.min_length, lowercase: self.lowercase });
        Ok(self)
    }
}

impl Step for TokenizeText {
    fn arity(&self) -> Option<usize> {
        Some(1)
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        let kind = inputs[0].data_type();
        if !is_text(kind) {
            return Err(Error::schema(inputs[0].name(), format!("has type {}; expected string", type_name(kind))));
        }
        Ok(outputs.iter().take(1).map(|name| Field::new(name, text_list_type(), true)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let texts = Texts::new(&rows.names[0], &rows.arrays[0])?;
        let Some(tokenizer) = &self.tokenizer else { return Err(Error::runtime("has no tokenizer")) };
        rows.by_pieces(|range, piece| {
            let mut out = TextListWriter::with_capacity(range.len());
            let mut lower = String::new();
            for row in range {
                let Some(text) = texts.row(row) else {
                    piece.reject(row, (0, "is null".to_owned()))?;
                    out.end(false);
                    continue;
                };
                lower.clear();
                if self.lowercase {
                    lower_into(&text, &mut lower);
                } else {
                    lower.push_str(&text);
                }
                tokenizer.each(&lower, |token| {
                    out.texts.text().push_str(token);
                    out.texts.end();
                });
                out.end(true);
            }
            Ok(vec![Arc::new(out.finish()?) as ArrayRef])
        })
    }
}

/// Tokens without stop words, as `StopWordsRemover` leaves them, for one or more columns.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveStopWords {
    words: Vec<String>,
    case_sensitive: bool,
    #[serde(skip)]
    set: Option<StopWords>,
}

impl RemoveStopWords {
    pub fn ready(mut self) -> Self {
        self.set = Some(StopWords::new(self.words.iter().map(String::as_str), self.case_sensitive));
        self
    }
}

impl Step for RemoveStopWords {
    fn arity(&self) -> Option<usize> {
        None
    }

    fn fields(&self, inputs: &[&Field], outputs: &[String]) -> Result<Vec<Field>> {
        if let Some(field) = inputs.iter().find(|field| !is_text_list(field.data_type())) {
            let message = format!("has type {}; expected array<string>", type_name(field.data_type()));
            return Err(Error::schema(field.name(), message));
        }
        Ok(inputs.iter().zip(outputs).map(|(_, name)| Field::new(name, text_list_type(), true)).collect())
    }

    fn run(&self, rows: &Inputs<'_>) -> Result<Computed> {
        let lists: Vec<TextLists> = rows
            .names
            .iter()
            .zip(&rows.arrays)
            .map(|(name, array)| TextLists::new(name, array))
            .collect::<Result<_>>()?;
        let Some(words) = &self.set else { return Err(Error::runtime("has no stop words")) };
        rows.by_pieces(|range, piece| {
            let mut columns = Vec::with_capacity(lists.len());
            for (column, lists) in lists.iter().enumerate() {
                let mut out = TextListWriter::with_capacity(range.len());
                let mut folded = String::new();
                for row in range.clone() {
                    let Some(tokens) = lists.row(row) else {
                        piece.reject(row, (column, "is null".to_owned()))?;
                        out.end(false);
                        continue;
                    };
                    for token in tokens.flatten().filter(|token| !words.contains(token, false, &mut folded)) {
                        out.texts.text().push_str(&token);
                        out.texts.end();
                    }
                    out.end(true);
                }
                columns.push(Arc::new(out.finish()?) as ArrayRef);
            }
            Ok(columns)
        })
    }
}
