//! `TextFeaturizer`.

mod model;
mod params;

use arrow_schema::Schema;
use mmlrs_core::{Aggregate, Block, Context, Error, FileSource, Fit, Fitted, HasSample, Result, Sample, in_pieces};
use mmlrs_macros::Stage;
use serde_json::{Map, json};

use crate::frequencies::DocumentFrequencies;
use params::TextFeaturizerParams;

pub use model::TextFeaturizerModel;

/// Turns strings into sparse vectors of weighted term counts.
///
/// The result is that of Spark ML's `RegexTokenizer`, `StopWordsRemover`, `NGram`, `HashingTF` and `IDF` applied one after the
/// other. All slots and values are equal. Each step can be switched on or off, and all run in one pass over the string.
///
/// The fit counts the number of strings in which each slot occurs. A slot in d of m strings has the weight `ln((m + 1) / (d +
/// 1))`. Nulls are ignored in the fit. With `useIDF=False` there is nothing to learn, and the data is not read.
///
/// Lower case and stop words follow Java in a locale without special rules, so not in Turkish or Lithuanian.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    body = extended,
    kind = estimator,
    model = TextFeaturizerModel,
    example = r#"import pyarrow as pa
from mmlrs.text import TextFeaturizer

table = pa.table({"text": ["a good film", "a bad film", "a film"]})
model = TextFeaturizer(inputCol="text", outputCol="features", numFeatures=1024).fit(table)
row = model.transform(table)["features"][2].as_py()
assert len(row["indices"]) == 2
assert row["values"] == [0.0, 0.0]  # words that every text has weigh nothing
"#
)]
pub struct TextFeaturizer {
    #[param(group)]
    shared: TextFeaturizerParams,
    /// Weight the counts by inverse document frequency, which the fit learns. Otherwise the counts are the result.
    // The spelling gives the name `useIDF`.
    #[param(default = true)]
    use_i_d_f: bool,
}

impl Aggregate for TextFeaturizer {
    /// None if there is nothing to learn.
    type State = Option<DocumentFrequencies>;

    fn new_state(&self, input: &Schema) -> Result<Self::State> {
        self.shared.check_input(input)?;
        let hasher = self.shared.hasher()?;
        self.use_i_d_f.then(|| DocumentFrequencies::new(hasher.num_features())).transpose()
    }

    fn update(&self, state: &mut Self::State, block: &Block, cx: &Context) -> Result<()> {
        let Some(frequencies) = state else { return Ok(()) };
        let documents = self.shared.input(block, *cx)?;
        let hasher = self.shared.hasher()?;
        let count = |rows, frequencies: &mut DocumentFrequencies| {
            documents.hash(rows, &mut hasher.clone(), |row| {
                if let Some(row) = row {
                    frequencies.add(row);
                }
            });
        };
        // A separate thread pays off only if its state is small compared with its strings.
        if cx.threads.get() == 1 || block.rows() * 16 < hasher.num_features() {
            count(0..block.rows(), frequencies);
            return Ok(());
        }
        for part in in_pieces(cx.threads, block.rows(), cx.threads.get(), |rows| {
            let mut part = DocumentFrequencies::new(hasher.num_features())?;
            count(rows, &mut part);
            Ok(part)
        })? {
            frequencies.merge(&part)?;
        }
        Ok(())
    }

    fn merge(&self, state: &mut Self::State, other: Self::State) -> Result<()> {
        match (state, other) {
            (Some(state), Some(other)) => state.merge(&other),
            (None, None) => Ok(()),
            _ => Err(Error::runtime("states of fits with different params cannot be merged")),
        }
    }
}

impl Fit for TextFeaturizer {
    fn finish(&self, state: Self::State, _input: &Schema) -> Result<Fitted> {
        let mut params = Map::new();
        if let Some(frequencies) = state {
            if frequencies.documents() == 0 {
                return Err(Error::decode("holds no strings: it has no rows, or all values are null")
                    .at_column(&self.shared.input_col));
            }
            let file = FileSource::of(&frequencies.to_file()?);
            params.insert("documentFrequencies".to_owned(), file.to_value());
        }
        Ok(Fitted { params, ..Fitted::default() })
    }
}

impl HasSample for TextFeaturizer {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "text", "outputCol": "features", "numFeatures": 256, "useStopWordsRemover": true,
            "useNGram": true,
        });
        Sample::new(params, crate::sample::text_batch())
    }
}
