//! `ValueIndexer`.

mod model;

use std::collections::HashSet;

use arrow_array::Array;
use arrow_schema::Schema;
use mmlrs_core::{
    Aggregate, Block, Context, Error, Fit, Fitted, HasSample, ParamGroup, ParamMap, ParamSpec, Result, RowPolicy,
    Sample,
};
use mmlrs_macros::{ParamGroup, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::attributes::declared_levels;
use crate::levels::{Keys, LevelType};

pub use model::ValueIndexerModel;

/// Assigns an index to each distinct value of a column, in ascending order or in the order that the column's type declares.
///
/// The model adds the index of each value, a double as in Spark's `StringIndexer`. The values are stored as nominal attributes
/// of the column, which Spark's `IndexToString`, `OneHotEncoder` and tree learners understand, and so does `IndexToValue`.
/// Booleans, integers, floats and strings can be levels; strings are sorted by their UTF-8 bytes. A pandas category, a polars
/// Enum and an ordered Arrow dictionary declare levels; those that occur are indexed in the declared order. Null and NaN are
/// not levels. A column without values is an error. So is a column with more than `maxLevels` distinct values, which is
/// detected before they fill the driver's memory. The fit is one pass over the data, and its state holds each distinct value
/// once.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = estimator,
    model = ValueIndexerModel,
    maps_nulls = "missing values have their own index",
    example = r#"import pyarrow as pa
from mmlrs.featurize import ValueIndexer

table = pa.table({"size": ["small", "large", None, "small"]})
model = ValueIndexer(inputCol="size", outputCol="index", handleInvalid="keep").fit(table)
assert model.getLevels() == ["large", "small"]
assert model.transform(table)["index"].to_pylist() == [1.0, 0.0, 3.0, 1.0]
"#
)]
pub struct ValueIndexer {
    #[param(group)]
    shared: ValueIndexerParams,
    /// Maximum number of distinct values of the column. Hash columns that have more.
    #[param(default = 1_000_000, min(1))]
    max_levels: usize,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, ParamGroup)]
pub struct ValueIndexerParams {
    /// Name of the column of values.
    #[param(required, non_empty, role = input, accepts(numeric, text))]
    pub input_col: String,
    /// Name of the column of indices to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    pub output_col: String,
    #[param(group)]
    pub policy: UnseenPolicy,
}

/// The row policy of an indexer, in which `keep` gives unseen and missing values their own indices.
#[derive(Debug, Clone)]
pub struct UnseenPolicy(pub RowPolicy);

impl ParamGroup for UnseenPolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "How to handle a value that did not occur in the fit, and a missing one (null or NaN): \
                        \"error\" fails with an error that names stage, column, row and value; \"skip\" drops the row; \
                        \"keep\" gives unseen values the index after the last level and missing ones the index after \
                        that, named \"__unknown\" and \"__missing\" in the attributes.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}

/// The distinct values so far, as keys.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DistinctValues {
    integers: HashSet<i64>,
    texts: HashSet<String>,
}

impl ValueIndexer {
    fn kind(&self, input: &Schema) -> Result<LevelType> {
        let name = &self.shared.input_col;
        LevelType::of_column(name, input.field_with_name(name)?.data_type())
    }

    fn check_size(&self, values: &DistinctValues) -> Result<()> {
        if values.integers.len().max(values.texts.len()) <= self.max_levels {
            return Ok(());
        }
        let message =
            format!("has more than {} distinct values; raise maxLevels, or hash the column instead", self.max_levels);
        Err(Error::limit(message).at_column(&self.shared.input_col))
    }
}

impl Aggregate for ValueIndexer {
    type State = DistinctValues;

    fn new_state(&self, input: &Schema) -> Result<DistinctValues> {
        self.kind(input).map(|_| DistinctValues::default())
    }

    fn update(&self, state: &mut DistinctValues, block: &Block, cx: &Context) -> Result<()> {
        let array = block.column(&self.shared.input_col)?.to_arrow(cx)?;
        match Keys::new(&array, LevelType::of_column(&self.shared.input_col, array.data_type())?)? {
            Keys::Integers(keys) if keys.null_count() == 0 => state.integers.extend(keys.values()),
            Keys::Integers(keys) => state.integers.extend(keys.iter().flatten()),
            Keys::Texts(texts) => {
                for text in texts.iter().flatten() {
                    if !state.texts.contains(text) {
                        state.texts.insert(text.to_owned());
                    }
                }
            }
        }
        self.check_size(state)
    }

    fn merge(&self, state: &mut DistinctValues, other: DistinctValues) -> Result<()> {
        state.integers.extend(other.integers);
        state.texts.extend(other.texts);
        self.check_size(state)
    }
}

impl Fit for ValueIndexer {
    fn finish(&self, state: DistinctValues, input: &Schema) -> Result<Fitted> {
        let kind = self.kind(input)?;
        let mut integers: Vec<i64> = state.integers.into_iter().collect();
        let mut texts: Vec<String> = state.texts.into_iter().collect();
        integers.sort_unstable();
        texts.sort_unstable();
        let mut levels: Vec<Value> =
            integers.into_iter().map(|key| kind.value_of_key(key)).chain(texts.into_iter().map(Value::from)).collect();
        if levels.is_empty() {
            return Err(Error::decode("has no values: it has no rows, or all values are missing")
                .at_column(&self.shared.input_col));
        }
        if let Some(declared) = declared_levels(input.field_with_name(&self.shared.input_col)?) {
            declared.sort(&mut levels, |level| kind.text(level));
        }
        let mut params = Map::new();
        params.insert("levels".to_owned(), Value::from(levels));
        params.insert("dataType".to_owned(), Value::from(kind.name()));
        Ok(Fitted { params, ..Fitted::default() })
    }
}

impl HasSample for ValueIndexer {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "city", "outputCol": "index"}), crate::sample::category_batch())
    }
}
