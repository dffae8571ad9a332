//! `PageSplitter`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Column, Context, Error, HasSample, Output, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::column::{TextListWriter, Texts, reject_nulls, text_list_type};
use crate::java_regex::JavaRegex;

/// Splits long strings into pages, if possible between two words.
///
/// A page ends after the last word boundary for which its length is between `minimumPageLength` and `maximumPageLength`. If
/// there is no such boundary, the page is cut at the maximum, inside a word. A boundary belongs to the page before it. A string
/// not longer than the maximum is one page, and an empty string is one empty page. The concatenated pages are the original
/// string.
///
/// Lengths are in characters (Unicode code points), so no character is cut in two. A letter made of several code points, such
/// as one with a combining accent, can be cut. The time grows linearly with the length of the strings.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    kind = transformer,
    example = r#"import pyarrow as pa
from mmlrs.text import PageSplitter

table = pa.table({"text": ["words and more words"]})
stage = PageSplitter(inputCol="text", outputCol="pages", maximumPageLength=8, minimumPageLength=4)
assert stage.transform(table)["pages"].to_pylist() == [["words ", "and ", "more ", "words"]]
"#
)]
pub struct PageSplitter {
    /// Name of the column of strings.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the column of lists of pages to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Maximum number of characters of a page.
    #[param(default = 5000, min(1))]
    maximum_page_length: usize,
    /// Minimum number of characters of a page, except for the last page of a string. At most `maximumPageLength`.
    #[param(default = 4500, min(0))]
    minimum_page_length: usize,
    /// Regular expression with Java's meaning for the text between words. Matches may have any length.
    #[param(default = r"\s")]
    boundary_regex: JavaRegex,
    #[param(group)]
    policy: RowPolicy,
}

/// A position in a string.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    byte: usize,
    char: usize,
}

impl Place {
    /// The position `chars` characters further on, or the end of the string.
    fn forward(self, text: &str, chars: usize) -> Self {
        let rest = text[self.byte..].char_indices().nth(chars);
        match rest {
            Some((bytes, _)) => Self { byte: self.byte + bytes, char: self.char + chars },
            None => Self { byte: text.len(), char: self.char + text[self.byte..].chars().count() },
        }
    }
}

impl PageSplitter {
    fn check(&self) -> Result<()> {
        let (minimum, maximum) = (self.minimum_page_length, self.maximum_page_length);
        if minimum > maximum {
            let message = format!("must be at most maximumPageLength ({maximum}), got {minimum}");
            return Err(Error::param("minimumPageLength", message));
        }
        Ok(())
    }

    /// Passes the pages of a string to `give`, in order.
    fn split<'t>(&self, text: &'t str, mut give: impl FnMut(&'t str)) {
        let mut start = Place::default();
        let mut boundary: Option<Place> = None;
        // Ends pages as long as the text up to `place` exceeds one page.
        let mut fill = |place: Place, boundary: &mut Option<Place>| {
            while place.char - start.char > self.maximum_page_length {
                let end = boundary.take().unwrap_or_else(|| start.forward(text, self.maximum_page_length));
                give(&text[start.byte..end.byte]);
                start = end;
            }
            if place.byte == text.len() {
                give(&text[start.byte..]);
            } else if place.char - start.char >= self.minimum_page_length.max(1) {
                *boundary = Some(place);
            }
        };
        let mut place = Place::default();
        for range in self.boundary_regex.matches(text) {
            place.char += text[place.byte..range.end].chars().count();
            place.byte = range.end;
            if place.byte < text.len() {
                fill(place, &mut boundary);
            }
        }
        place.char += text[place.byte..].chars().count();
        place.byte = text.len();
        fill(place, &mut boundary);
    }
}

impl Transform for PageSplitter {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        self.check()?;
        Ok(vec![Field::new(&self.output_col, text_list_type(), true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let texts = Texts::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?)?;
        let nulls = |row| texts.is_null(row);
        let rejects = reject_nulls(&self.input_col, texts.len(), self.policy.handle_invalid, nulls)?;
        let mut out = TextListWriter::with_capacity(texts.len());
        for row in 0..texts.len() {
            let text = texts.row(row);
            if let Some(text) = &text {
                self.split(text, |page| {
                    out.texts.text().push_str(page);
                    out.texts.end();
                });
            }
            out.end(text.is_some());
        }
        Ok(Output { columns: vec![Column::arrow(Arc::new(out.finish()?))], invalid: rejects.into_rows() })
    }
}

impl HasSample for PageSplitter {
    fn sample() -> Sample {
        let params = json!({"inputCol": "text", "outputCol": "pages", "maximumPageLength": 12, "minimumPageLength": 8});
        Sample::new(params, crate::sample::text_batch())
    }
}

#[cfg(test)]
mod tests {
    use mmlrs_core::{ParamMap, Stage};

    use super::*;

    fn pages(text: &str, maximum: usize, minimum: usize, pattern: &str) -> Result<Vec<String>> {
        let params = json!({
            "inputCol": "t", "maximumPageLength": maximum, "minimumPageLength": minimum, "boundaryRegex": pattern,
        });
        let stage = PageSplitter::from_params(&ParamMap::new("p", params.as_object().cloned().unwrap_or_default()))?;
        let mut pages = Vec::new();
        stage.split(text, |page| pages.push(page.to_owned()));
        assert_eq!(pages.concat(), text);
        Ok(pages)
    }

    #[test]
    fn pages_end_behind_the_last_boundary_that_fits() -> Result<()> {
        assert_eq!(pages("words and more words", 8, 4, r"\s")?, ["words ", "and ", "more ", "words"]);
        assert_eq!(pages("aa bb cc", 6, 3, r"\s")?, ["aa bb ", "cc"]);
        assert_eq!(pages("aa  bb ", 4, 1, r"\s")?, ["aa  ", "bb "]);
        assert_eq!(pages("aa--bb--cc", 5, 2, "-+")?, ["aa--", "bb--", "cc"]);
        Ok(())
    }

    #[test]
    fn a_word_is_cut_only_where_there_is_no_boundary() -> Result<()> {
        assert_eq!(pages("abcdefgh", 3, 2, r"\s")?, ["abc", "def", "gh"]);
        assert_eq!(pages("a bcdefgh", 4, 3, r"\s")?, ["a bc", "defg", "h"]);
        assert_eq!(pages("éééé", 2, 2, r"\s")?, ["éé", "éé"]);
        Ok(())
    }

    #[test]
    fn what_fits_is_one_page() -> Result<()> {
        assert_eq!(pages("", 3, 0, r"\s")?, [""]);
        assert_eq!(pages("a b", 3, 0, r"\s")?, ["a b"]);
        assert_eq!(pages("a b ", 4, 0, r"\s")?, ["a b "]);
        Ok(())
    }

    #[test]
    fn boundaries_may_be_empty() -> Result<()> {
        assert_eq!(pages("ab cd", 3, 1, r"\b")?, ["ab ", "cd"]);
        assert_eq!(pages("abc", 1, 0, "")?, ["a", "b", "c"]);
        Ok(())
    }
}
