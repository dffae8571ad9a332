//! `UnicodeNormalize`.

use std::sync::Arc;

use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, HasSample, Output, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;

use crate::column::{TextWriter, Texts, reject_nulls};
use crate::lower::lower_into;

/// Converts strings to a Unicode normal form, so that strings that look alike are equal.
///
/// The forms are those of Unicode Standard Annex 15. NFC and NFD preserve the appearance, composed or decomposed. NFKC and NFKD
/// also replace compatibility characters, such as ligatures and full-width letters. With `lower` the normalized string is
/// lower-cased. The time grows linearly with the length of the strings; ASCII is only copied.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    kind = transformer,
    example = r#"import pyarrow as pa
from mmlrs.text import UnicodeNormalize

table = pa.table({"text": ["ﬁne Ｗide"]})
table = UnicodeNormalize(inputCol="text", outputCol="normal").transform(table)
assert table["normal"].to_pylist() == ["fine wide"]
"#
)]
pub struct UnicodeNormalize {
    /// Name of the column of strings.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the column of normalized strings to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// The normal form.
    #[param(default = "NFKD", one_of("NFC", "NFD", "NFKC", "NFKD"))]
    form: String,
    /// Lower-case the normalized string.
    #[param(default = true)]
    lower: bool,
    #[param(group)]
    policy: RowPolicy,
}

impl UnicodeNormalize {
    fn normalize(&self, text: &str, out: &mut String) {
        if text.is_ascii() {
            return out.push_str(text);
        }
        match self.form.as_str() {
            "NFC" => out.extend(text.nfc()),
            "NFD" => out.extend(text.nfd()),
            "NFKC" => out.extend(text.nfkc()),
            _ => out.extend(text.nfkd()),
        }
    }
}

impl Transform for UnicodeNormalize {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        Ok(vec![Field::new(&self.output_col, DataType::Utf8, true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let texts = Texts::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?)?;
        let nulls = |row| texts.is_null(row);
        let rejects = reject_nulls(&self.input_col, texts.len(), self.policy.handle_invalid, nulls)?;
        let mut out = TextWriter::default();
        let mut normal = String::new();
        for row in 0..texts.len() {
            match texts.row(row) {
                Some(text) if self.lower => {
                    normal.clear();
                    self.normalize(&text, &mut normal);
                    lower_into(&normal, out.text());
                }
                Some(text) => self.normalize(&text, out.text()),
                None => {}
            }
            out.end();
        }
        let valid: NullBuffer = (0..texts.len()).map(|row| !texts.is_null(row)).collect::<Vec<bool>>().into();
        let array = out.finish(Some(valid))?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(array))], invalid: rejects.into_rows() })
    }
}

impl HasSample for UnicodeNormalize {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "text", "outputCol": "normal"}), crate::sample::text_batch())
    }
}
