//! `IndexToValue`.

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_cast::cast::cast;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, Output, ParamGroup, ParamMap, ParamSpec, Rejects, Result, RowPolicy,
    Sample, Transform, double_text,
};
use mmlrs_macros::Stage;
use serde_json::{Map, Value, json};

use crate::attributes::attributes_of;
use crate::levels::{LevelType, Levels};

/// The member of a nominal attribute with the type of the values and the number of levels that come from the data.
pub const ORIGIN: &str = "mmlrs";

/// Replaces indices by their values: the inverse of `ValueIndexer` and of Spark's `StringIndexer`.
///
/// The values come from `levels`, or from the nominal attributes of `labelCol` or of the column itself. Attributes written by
/// `ValueIndexer` keep the type of the values. Other attributes give strings. A null index becomes null and is not an error, and
/// so do the indices that `ValueIndexer` gives to unseen and missing values.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    accepts_nulls = "a null index becomes a null value, as in Spark's IndexToString",
    example = r#"import pyarrow as pa
from mmlrs.featurize import IndexToValue, ValueIndexer

table = pa.table({"year": [2021, 2019, 2021]})
table = ValueIndexer(inputCol="year", outputCol="index").fit(table).transform(table)
table = IndexToValue(inputCol="index", outputCol="again").transform(table)
assert table["again"].to_pylist() == [2021, 2019, 2021]
"#
)]
pub struct IndexToValue {
    /// Name of the column of indices.
    #[param(required, non_empty, role = input, accepts(numeric))]
    input_col: String,
    /// Name of the column of values to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Name of a column whose nominal attributes have the values, for instance the label column that `StringIndexer` wrote and a
    /// learner of Spark ML was fitted to. If not set, those of `inputCol`.
    #[param(non_empty, role = input, accepts(any))]
    label_col: Option<String>,
    /// The values in the order of their indices. If not set, those of the nominal attributes of `labelCol` or `inputCol`.
    #[param]
    levels: Option<Levels>,
    /// The type of the values. If not set, that of the attributes, or the natural type of `levels`: boolean, long, double or
    /// string.
    #[param(one_of("boolean", "byte", "short", "integer", "long", "float", "double", "string"))]
    data_type: Option<String>,
    /// Indices without a value, which become null. If not set, those of the column's nominal attributes.
    #[param(min(0))]
    null_indices: Option<Vec<i64>>,
    #[param(group)]
    policy: IndexPolicy,
}

/// The row policy for indices, which does not apply to nulls.
#[derive(Debug, Clone)]
struct IndexPolicy(RowPolicy);

impl ParamGroup for IndexPolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "How to handle a number that is not the index of a level: \"error\" fails with an error that \
                        names stage, column, row and number; \"skip\" drops the row; \"keep\" keeps the row with a null result.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}

impl IndexToValue {
    fn levels(&self) -> Result<(&Levels, LevelType)> {
        let levels = self.levels.as_ref().ok_or_else(|| {
            if let Some(label) = &self.label_col {
                return Error::schema(label, "has no nominal attributes with the values; set `levels`");
            }
            let message =
                "has no nominal attributes with the values; set `labelCol` to a column that has them, or `levels`";
            Error::schema(&self.input_col, message)
        })?;
        Ok((levels, levels.kind(self.data_type.as_ref())))
    }
}

/// The params given by the attributes of a nominal column.
fn bound(field: &Field) -> Option<Map<String, Value>> {
    let attributes = attributes_of(field)?;
    if attributes.get("type")? != "nominal" {
        return None;
    }
    let texts: Vec<&str> = attributes.get("vals")?.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let own = attributes.get(ORIGIN).and_then(|origin| {
        let kind = LevelType::parse(origin.get("type")?.as_str()?)?;
        let count = origin.get("levels")?.as_u64()? as usize;
        let values = texts.get(..count)?.iter().map(|text| kind.value_of_text(text)).collect::<Option<Vec<Value>>>()?;
        Some((kind, values))
    });
    let (kind, values) =
        own.unwrap_or_else(|| (LevelType::String, texts.iter().map(|text| Value::from(*text)).collect()));
    let mut params = Map::new();
    params.insert("nullIndices".to_owned(), (values.len()..texts.len()).collect());
    params.insert("levels".to_owned(), Value::from(values));
    params.insert("dataType".to_owned(), Value::from(kind.name()));
    Some(params)
}

impl Transform for IndexToValue {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        let (levels, kind) = self.levels()?;
        levels.array(kind)?;
        Ok(vec![Field::new(&self.output_col, kind.arrow(), true)])
    }

    fn bound_params(&self, input: &Schema) -> Result<Map<String, Value>> {
        let mut params = Map::new();
        if self.levels.is_none() {
            let source = self.label_col.as_ref().unwrap_or(&self.input_col);
            params = bound(input.field_with_name(source)?).unwrap_or_default();
        }
        if self.data_type.is_some() {
            params.remove("dataType");
        }
        if self.null_indices.is_some() {
            params.remove("nullIndices");
        }
        Ok(params)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let (levels, kind) = self.levels()?;
        let numbers = cast(&block.column(&self.input_col)?.to_arrow(cx)?, &DataType::Float64)?;
        let numbers = numbers.as_primitive::<Float64Type>();
        let nulls = self.null_indices.as_deref().unwrap_or_default();
        let count = levels.values().len();
        let mut rejects = Rejects::new(self.policy.0.handle_invalid);
        let mut places: Vec<Option<u32>> = Vec::with_capacity(numbers.len());
        for (row, number) in numbers.iter().enumerate() {
            let index = number.filter(|v| v.fract() == 0.0 && *v >= 0.0 && *v < 4e9).map(|v| v as usize);
            places.push(index.filter(|i| *i < count).map(|i| i as u32));
            let fine = match (number, index) {
                (None, _) => true,
                (_, Some(index)) => index < count || nulls.contains(&(index as i64)),
                _ => false,
            };
            if !fine {
                let shown = double_text(number.unwrap_or(f64::NAN));
                let error =
                    Error::decode(format!("has the value {shown}, which is not the index of one of {count} levels"));
                rejects.reject(row, error.at_column(&self.input_col))?;
            }
        }
        let values = take(levels.array(kind)?, &UInt32Array::from(places), None)?;
        Ok(Output { columns: vec![Column::arrow(values)], invalid: rejects.into_rows() })
    }
}

impl HasSample for IndexToValue {
    fn sample() -> Sample {
        let params = json!({"inputCol": "index", "outputCol": "city"});
        Sample::new(params, crate::sample::index_batch())
    }
}
