//! `Featurize`: from raw columns to one vector, by type.

mod calendar;
mod encoder;
mod model;
mod policy;
mod reader;
mod summary;
mod texts;
mod words;

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Context, Error, FileSource, Fit, Fitted, HandleInvalid, HasSample, Result, Sample};
use mmlrs_macros::{ParamGroup, Stage};
use mmlrs_text::DocumentFrequencies;
use serde_json::{Map, Value, json};

pub use model::FeaturizeModel;

use crate::attributes::attributes_of;
use encoder::{Encoder, Encoding, Strangers};
use policy::FeaturizePolicy;
use summary::Summary;
use words::Words;

/// Turns columns of any kind into one vector of features, each by its type.
///
/// * Numbers, booleans and decimals: the value as a double; missing ones become the mean of the finite values.
/// * Nominal columns, which an indexer has marked as such, and strings with few levels (at most `maxCategories`, each
///   seen twice on average): one slot for each level, or one slot that holds the level's index.
/// * Other strings: their words in lower case, hashed as `TextFeaturizer` does, times the inverse document frequency; of
///   the hash's slots those that occur in the fit are kept.
/// * Dates: year, weekday (Monday is 1), month, day, days since 1970. Timestamps: those, then hour, minute, second and
///   milliseconds since 1970, in the time zone of the Spark session or of the Arrow type. Missing ones become the mean.
/// * Vectors and arrays of numbers: as they are; all rows of a column must have the same size.
///
/// The slots follow the order of `inputCols`. Those of numbers, dates and levels have their names in the attributes of the
/// vector: `age`, `day_month`, `job=nurse`. The fit is one pass over the data, whatever the number of columns; the result is
/// dense or sparse, whichever is smaller.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = estimator,
    model = FeaturizeModel,
    example = r#"import datetime
import pyarrow as pa
from mmlrs.featurize import Featurize

table = pa.table(
    {
        "age": [31, None, 45, 52],
        "job": ["nurse", "clerk", "clerk", "nurse"],
        "since": [datetime.date(2020, 1, day) for day in (6, 7, 8, 9)],
        "note": ["likes tea", "likes coffee", "no sugar", "tea with sugar"],
    }
)
model = Featurize(inputCols=["age", "job", "since", "note"], outputCol="features").fit(table)
features = model.transform(table)["features"]
assert features[0].as_py()["values"][:8] == [31.0, 0.0, 1.0, 2020.0, 1.0, 1.0, 6.0, 18267.0]
"#
)]
pub struct Featurize {
    #[param(group)]
    shared: FeaturizeParams,
    /// One slot for each level of a category; otherwise one slot that holds the index of the level, marked as nominal,
    /// which is what tree learners want. A category without a level is a row of zeros, or the index behind the last level.
    #[param(default = true)]
    one_hot_encode_categoricals: bool,
    /// Number of slots into which the words of one text column are hashed. 4096 is enough for tree learners.
    #[param(default = 262_144, range(1, 2_147_483_647))]
    num_features: usize,
    /// Replace missing values: numbers, dates and timestamps by their mean, missing categories by none, missing text by
    /// the empty one. Otherwise a missing value is a bad row, except in text.
    #[param(default = true)]
    impute_missing: bool,
    /// Up to how many distinct values a string column is a category rather than text.
    #[param(default = 100, min(0))]
    max_categories: usize,
}

/// What the estimator and its model have in common.
#[derive(Debug, Clone, ParamGroup)]
pub struct FeaturizeParams {
    /// Names of the columns, in the order of the slots.
    #[param(required, non_empty, role = input, accepts(numeric, text, sparse_vector, any))]
    pub input_cols: Vec<String>,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    pub output_col: String,
    /// What a level becomes that was not there in the fit: "other" makes it a row without a level, of zeros, or the index
    /// behind the last one, which the attributes count; "error" makes it a bad row, for `handleInvalid`.
    #[param(default = "other", one_of("other", "error"))]
    pub unseen_categories: String,
    #[param(group)]
    pub policy: FeaturizePolicy,
}

impl FeaturizeParams {
    /// What happens to levels that the fit has not seen, and to rows without a level.
    fn strangers(&self) -> Strangers {
        let keeps = self.policy.0.handle_invalid == HandleInvalid::Keep;
        Strangers { are_other: self.unseen_categories == "other", keeps }
    }
}

impl Featurize {
    fn columns(&self) -> impl Iterator<Item = &String> {
        self.shared.input_cols.iter()
    }

    fn encoder(&self, summary: Summary, field: &Field) -> Result<Encoder> {
        let column = field.name();
        let impute = self.impute_missing;
        let no_value =
            || Error::decode("has no value to replace the missing ones with: all are missing").at_column(column);
        let one_hot = self.one_hot_encode_categoricals;
        let encoding = match summary {
            Summary::Number(_) if nominal_levels(field).is_some() => {
                Encoding::Codes { levels: nominal_levels(field).unwrap_or_default(), one_hot, fill: impute }
            }
            Summary::Number(mean) if impute => Encoding::Number { fill: Some(mean.value().ok_or_else(no_value)?) },
            Summary::Number(_) => Encoding::Number { fill: None },
            Summary::Date(mean) if impute => {
                Encoding::Date { fill: Some(mean.value().ok_or_else(no_value)?.round() as i32) }
            }
            Summary::Date(_) => Encoding::Date { fill: None },
            Summary::Timestamp(mean) if impute => {
                Encoding::Timestamp { fill: Some(mean.value().ok_or_else(no_value)?.round() as i64) }
            }
            Summary::Timestamp(_) => Encoding::Timestamp { fill: None },
            Summary::Text(mut texts) => match texts.category() {
                Some(levels) => Encoding::Levels { levels, one_hot, fill: impute },
                None => word_encoding(texts.as_words(&mut Words::new(self.num_features)?)?),
            },
            Summary::Vector { size } => Encoding::Vector {
                size: size.ok_or_else(|| {
                    Error::decode("holds no vector, so the number of its slots is unknown").at_column(column)
                })?,
            },
        };
        Ok(Encoder { column: column.clone(), encoding })
    }
}

/// Weights of the slots that occur: ln((rows + 1) / (rows with it + 1)), as in Spark ML's IDF.
fn word_encoding(words: &DocumentFrequencies) -> Encoding {
    let documents = words.documents() as f64;
    let seen = words.counts().iter().enumerate().filter(|(_, count)| **count > 0);
    let (slots, weights) =
        seen.map(|(slot, count)| (slot as i32, ((documents + 1.0) / (*count as f64 + 1.0)).ln())).unzip();
    Encoding::Words { num_features: words.counts().len(), slots, weights }
}

/// The levels of a column that is marked as nominal.
fn nominal_levels(field: &Field) -> Option<Vec<String>> {
    let attributes = attributes_of(field)?;
    if attributes.get("type").and_then(Value::as_str) != Some("nominal") {
        return None;
    }
    let levels = attributes.get("vals").and_then(Value::as_array);
    if let Some(levels) = levels {
        return Some(levels.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect());
    }
    let number = attributes.get("num_vals").and_then(Value::as_u64)?;
    Some((0..number).map(|code| code.to_string()).collect())
}

impl Fit for Featurize {
    type State = Vec<Summary>;

    fn new_state(&self, input: &Schema) -> Result<Vec<Summary>> {
        self.columns()
            .map(|column| {
                let field = input.field_with_name(column)?;
                Summary::new(column, field.data_type())
            })
            .collect()
    }

    fn update(&self, state: &mut Vec<Summary>, block: &Block, cx: &Context) -> Result<()> {
        let mut words = Words::new(self.num_features)?;
        for (column, summary) in self.columns().zip(state) {
            let array = block.column(column)?.to_arrow(cx)?;
            summary.update(column, &array, self.max_categories, &mut words)?;
        }
        Ok(())
    }

    fn merge(&self, state: &mut Vec<Summary>, other: Vec<Summary>) -> Result<()> {
        let mut words = Words::new(self.num_features)?;
        for ((column, summary), other) in self.columns().zip(state).zip(other) {
            summary.merge(column, other, self.max_categories, &mut words)?;
        }
        Ok(())
    }

    fn finish(&self, state: Vec<Summary>, input: &Schema) -> Result<Fitted> {
        let encoders: Vec<Encoder> = self
            .columns()
            .zip(state)
            .map(|(column, summary)| self.encoder(summary, input.field_with_name(column)?))
            .collect::<Result<_>>()?;
        let text = serde_json::to_vec(&encoders).map_err(|e| Error::runtime(e.to_string()))?;
        let mut params = Map::new();
        params.insert("encoders".to_owned(), FileSource::of(&text).to_value());
        Ok(Fitted { params })
    }
}

impl HasSample for Featurize {
    fn sample() -> Sample {
        let params = json!({"inputCols": ["number", "flag", "counts", "word", "note", "day"], "outputCol": "features"});
        Sample::new(params, crate::sample::raw_batch())
    }
}
