//! `MultiNGram`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Column, Context, HasSample, Output, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::column::{TextListWriter, TextLists, check_text_list, reject_nulls, text_list_type};

/// Builds the n-grams of lists of tokens, for several lengths.
///
/// The result is one list: all n-grams of the first length in the order of the tokens, then those of the second length, and so
/// on. The tokens of an n-gram are separated by one space. A list that is shorter than a length has no n-grams of that length.
/// A null token is written as `null`, as in Spark's `NGram`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    kind = transformer,
    example = r#"import pyarrow as pa
from mmlrs.text import MultiNGram

table = pa.table({"tokens": [["to", "be", "or"]]})
table = MultiNGram(inputCol="tokens", outputCol="grams", lengths=[1, 2]).transform(table)
assert table["grams"].to_pylist() == [["to", "be", "or", "to be", "be or"]]
"#
)]
pub struct MultiNGram {
    /// Name of the column of lists of tokens.
    #[param(required, non_empty, role = input, accepts(array))]
    input_col: String,
    /// Name of the column of lists of n-grams to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Lengths of the n-grams, in the order of the result.
    #[param(required, range(1, 1000))]
    lengths: Vec<i64>,
    #[param(group)]
    policy: RowPolicy,
}

impl Transform for MultiNGram {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_text_list(&self.input_col, input)?;
        Ok(vec![Field::new(&self.output_col, text_list_type(), true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let lists = TextLists::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?)?;
        let nulls = |row| lists.is_null(row);
        let rejects = reject_nulls(&self.input_col, lists.len(), self.policy.handle_invalid, nulls)?;
        let mut out = TextListWriter::with_capacity(lists.len());
        let (mut joined, mut places) = (String::new(), Vec::new());
        for row in 0..lists.len() {
            let Some(tokens) = lists.row(row) else {
                out.end(false);
                continue;
            };
            joined.clear();
            places.clear();
            for token in tokens {
                if !places.is_empty() {
                    joined.push(' ');
                }
                let start = joined.len();
                joined.push_str(token.as_deref().unwrap_or("null"));
                places.push((start, joined.len()));
            }
            for length in &self.lengths {
                for gram in places.windows(*length as usize) {
                    out.texts.text().push_str(&joined[gram[0].0..gram[gram.len() - 1].1]);
                    out.texts.end();
                }
                out.texts.check()?;
            }
            out.end(true);
        }
        Ok(Output { columns: vec![Column::arrow(Arc::new(out.finish()?))], invalid: rejects.into_rows() })
    }
}

impl HasSample for MultiNGram {
    fn sample() -> Sample {
        let params = json!({"inputCol": "tokens", "outputCol": "grams", "lengths": [2, 1, 3]});
        Sample::new(params, crate::sample::token_batch())
    }
}
