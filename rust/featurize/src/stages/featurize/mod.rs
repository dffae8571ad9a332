//! `Featurize`: converts raw columns to one vector, by type.

mod calendar;
mod choice;
mod encoder;
mod model;
mod policy;
mod reader;
mod summary;
mod texts;
mod words;

use arrow_schema::Schema;
use mmlrs_core::{
    Aggregate, Block, Context, Error, FileSource, Fit, Fitted, HandleInvalid, HasSample, Result, Sample, VectorType,
};
use mmlrs_macros::{ParamGroup, Stage};
use mmlrs_text::MAX_COUNTED_SLOTS;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

pub use model::FeaturizeModel;

use choice::Choice;
use encoder::{Encoder, Strangers};
use policy::FeaturizePolicy;
use summary::Summary;
use words::Words;

/// Turns columns of any type into one vector of features.
///
/// * Numbers, booleans and decimals: the value as a double. Missing values become the mean of the finite values.
/// * Nominal columns, marked as such by an indexer, and strings with few levels (at most `maxCategories`, each occurring twice
///   on average): one slot for each level, or one slot with the index of the level.
/// * Columns whose type declares levels (a pandas category, a polars Enum, an ordered Arrow dictionary): the levels that occur,
///   in declared order.
/// * Other strings: their lower-case words, hashed as in `TextFeaturizer`, times the inverse document frequency. Slots of the
///   hash are kept if they occur in enough rows of the fit, see `minDocFreq`. Lists of strings are used as lists of words.
/// * Dates: year, weekday (Monday is 1), month, day, days since 1970. Timestamps: the same, then hour, minute, second and
///   milliseconds since 1970, in the time zone of the Spark session or of the Arrow type. Missing values become the mean.
/// * Vectors and arrays of numbers: unchanged. All rows of a column must have the same size.
/// * A column in which every value is missing, or that has no type (void, an Arrow null), is left out, with a warning.
///
/// The slots are in the order of `inputCols`. Those of numbers, dates and levels are named in the attributes of the vector:
/// `age`, `day_month`, `job=nurse`. The fit is one pass over the data for any number of columns. The result is dense or sparse,
/// whichever is smaller.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = estimator,
    model = FeaturizeModel,
    accepts_nulls = "it replaces missing values",
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
    /// Use one slot for each level of a category. Otherwise use one slot with the index of the level, marked as nominal, as
    /// tree learners expect. A category without a level is a row of zeros, or the index after the last level.
    #[param(default = true)]
    one_hot_encode_categoricals: bool,
    /// Number of slots into which the words of one text column are hashed. 4096 is enough for tree learners.
    #[param(default = 262_144, range(1, MAX_COUNTED_SLOTS))]
    num_features: usize,
    /// Replace missing values: numbers, dates and timestamps by their mean, categories by no level, text by the empty string.
    /// Otherwise a missing value is a bad row, except in text.
    #[param(default = true)]
    impute_missing: bool,
    /// Maximum number of distinct values for which a string column is a category rather than text.
    #[param(default = 100, min(0))]
    max_categories: usize,
    /// Minimum number of rows in which a word of a text must occur to have a slot. If not set, the square root of the number of
    /// rows, or more if the slots would exceed both that root and one slot per thirty rows. Every word has a slot if there are
    /// at least five rows per distinct word (repeating levels), or in prose, with at least twelve words per row and four times
    /// as many distinct words as rows. A column without such words, such as names or identifiers, is left out, with a warning.
    #[param(min(1))]
    min_doc_freq: Option<usize>,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, ParamGroup)]
pub struct FeaturizeParams {
    /// Names of the columns, in the order of the slots.
    #[param(required, non_empty, role = input, accepts(numeric, text, sparse_vector, any))]
    pub input_cols: Vec<String>,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    pub output_col: String,
    /// How to handle a level that did not occur in the fit: "other" treats it as a row without a level, that is zeros or the
    /// index after the last one, which the attributes include; "error" makes it a bad row, for `handleInvalid`.
    #[param(default = "other", one_of("other", "error"))]
    pub unseen_categories: String,
    #[param(group)]
    pub output_type: VectorType,
    #[param(group)]
    pub policy: FeaturizePolicy,
}

impl FeaturizeParams {
    /// The handling of unseen levels and of rows without a level.
    fn strangers(&self) -> Strangers {
        let keeps = self.policy.0.handle_invalid == HandleInvalid::Keep;
        Strangers { are_other: self.unseen_categories == "other", keeps }
    }
}

impl Featurize {
    fn columns(&self) -> impl Iterator<Item = &String> {
        self.shared.input_cols.iter()
    }

    fn choice(&self, rows: u64) -> Choice {
        Choice {
            rows,
            min_doc_freq: self.min_doc_freq.map(|rows| rows as u64),
            impute: self.impute_missing,
            one_hot: self.one_hot_encode_categoricals,
            num_features: self.num_features,
        }
    }
}

/// The state of the rows read so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summaries {
    rows: u64,
    columns: Vec<Summary>,
}

impl Aggregate for Featurize {
    type State = Summaries;

    fn new_state(&self, input: &Schema) -> Result<Summaries> {
        let summaries = self.columns().map(|column| Summary::new(input.field_with_name(column)?, self.max_categories));
        Ok(Summaries { rows: 0, columns: summaries.collect::<Result<_>>()? })
    }

    fn update(&self, state: &mut Summaries, block: &Block, cx: &Context) -> Result<()> {
        let mut words = Words::new(self.num_features)?;
        state.rows += block.rows() as u64;
        for (column, summary) in self.columns().zip(&mut state.columns) {
            let array = block.column(column)?.to_arrow(cx)?;
            summary.update(column, &array, self.max_categories, &mut words)?;
        }
        Ok(())
    }

    fn merge(&self, state: &mut Summaries, other: Summaries) -> Result<()> {
        let mut words = Words::new(self.num_features)?;
        state.rows += other.rows;
        for ((column, summary), other) in self.columns().zip(&mut state.columns).zip(other.columns) {
            summary.merge(column, other, self.max_categories, &mut words)?;
        }
        Ok(())
    }
}

impl Fit for Featurize {
    fn finish(&self, state: Summaries, input: &Schema) -> Result<Fitted> {
        if state.rows == 0 {
            return Err(Error::decode("there are no rows to learn from"));
        }
        let choice = self.choice(state.rows);
        let mut encoders = Vec::with_capacity(state.columns.len());
        for (column, summary) in self.columns().zip(state.columns) {
            let encoding = choice.encoding(summary, input.field_with_name(column)?)?;
            encoders.push(Encoder { column: column.clone(), encoding });
        }
        if !encoders.iter().any(Encoder::is_read) {
            let causes: Vec<String> = encoders.iter().filter_map(Encoder::flaw).collect();
            return Err(Error::decode(format!("no columns are left to learn from: {}", causes.join("; "))));
        }
        let flaws = encoders.iter().filter_map(Encoder::flaw);
        let notes = flaws.map(|flaw| format!("{flaw}; it is left out of the features")).collect();
        let text = serde_json::to_vec(&encoders).map_err(|e| Error::runtime(e.to_string()))?;
        let mut params = Map::new();
        params.insert("encoders".to_owned(), FileSource::of(&text).to_value());
        Ok(Fitted { params, notes })
    }
}

impl HasSample for Featurize {
    fn sample() -> Sample {
        let inputs = ["number", "flag", "counts", "word", "note", "day"];
        let params = json!({"inputCols": inputs, "outputCol": "features", "minDocFreq": 1});
        Sample::new(params, crate::sample::raw_batch())
    }
}
