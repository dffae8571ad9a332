//! `CleanMissingData`.

mod model;

use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::{is_text, type_name};
use mmlrs_core::{Aggregate, Block, Context, Error, Fit, Fitted, HasSample, Result, Sample};
use mmlrs_macros::{ParamGroup, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fill::{can_fill, fill_of_number, fill_of_text, present};
use crate::moments::Moments;
use crate::quantiles::Quantiles;

pub use model::CleanMissingDataModel;

/// Rank error of the median, equal to that of Spark's `Imputer`.
const MEDIAN_ERROR: f64 = 0.001;

/// Fills missing values with the mean, the median or a given value of their column.
///
/// Missing values are null and NaN, in the fit too. Infinities are values. Columns keep their type, as in Spark's `Imputer`:
/// the mean of integers is truncated, and the mean of decimals is rounded to their scale. The median is a value of the column,
/// the lower of the two middle ones. It is exact for columns of up to 2,800 values. Beyond that its rank is off by at most 0.1%
/// of the count with 99% confidence: it comes from a KLL sketch, which is randomized, so it may differ between fits. Integers
/// beyond 2^53 and decimals are averaged as doubles. For mean and median, a column without values is an error. So is the mean
/// of infinities of both signs. The fit is one pass over the data for any number of columns. Its state is a few numbers per
/// column for the mean and at most 70 KB per column for the median.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = estimator,
    model = CleanMissingDataModel,
    example = r#"import pyarrow as pa
from mmlrs.featurize import CleanMissingData

table = pa.table({"age": [31.0, None, 45.0], "visits": [2, 4, None]})
model = CleanMissingData(inputCols=["age", "visits"]).fit(table)
assert model.getFillValues() == [38.0, 3]
assert model.transform(table)["visits"].to_pylist() == [2, 4, 3]
"#
)]
pub struct CleanMissingData {
    #[param(group)]
    shared: CleanMissingDataParams,
    /// The value to fill with: "Mean", "Median", or "Custom" for `customValue`. Mean and median need columns of numbers.
    /// "Custom" also fills booleans and strings.
    #[param(default = "Mean", one_of("Mean", "Median", "Custom"))]
    cleaning_mode: String,
    /// The value for "Custom", as a string. It must be a valid value of each column's type.
    #[param]
    custom_value: Option<String>,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, ParamGroup)]
pub struct CleanMissingDataParams {
    /// Names of the columns to clean.
    #[param(required, non_empty, role = input, accepts(numeric, text))]
    pub input_cols: Vec<String>,
    /// Names of the cleaned columns, one for each input column. An input column is replaced if its own name is given here, or
    /// if this param is not set.
    #[param(role = output, non_empty)]
    pub output_cols: Option<Vec<String>>,
}

impl CleanMissingDataParams {
    /// The pairs of input and output columns.
    pub fn pairs(&self) -> Result<Vec<(&str, &str)>> {
        let outputs = self.output_cols.as_ref().unwrap_or(&self.input_cols);
        if outputs.len() != self.input_cols.len() {
            let message =
                format!("must name {} columns, as inputCols does, got {}", self.input_cols.len(), outputs.len());
            return Err(Error::param("outputCols", message));
        }
        let mut names: Vec<&str> = self.input_cols.iter().map(String::as_str).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(name, next)| name == next) {
            return Err(Error::param("inputCols", format!("names `{name}` twice")));
        }
        Ok(self.input_cols.iter().map(String::as_str).zip(outputs.iter().map(String::as_str)).collect())
    }
}

/// The field of an input column, if its missing values can be filled.
pub fn fillable<'a>(input: &'a Schema, name: &str) -> Result<&'a Field> {
    let field = input.field_with_name(name)?;
    if can_fill(field.data_type()) {
        return Ok(field);
    }
    Err(Error::schema(
        name,
        format!("has type {}, whose missing values cannot be filled", type_name(field.data_type())),
    ))
}

/// The state of a column.
#[derive(Debug, Serialize, Deserialize)]
pub enum Centre {
    /// For the mean.
    Mean(Moments),
    /// For the median.
    Median(Box<Quantiles>),
    /// The fill value is given.
    Custom,
}

impl CleanMissingData {
    fn custom(&self, field: &Field) -> Result<Value> {
        let text = self
            .custom_value
            .as_ref()
            .ok_or_else(|| Error::param("customValue", "must be set if cleaningMode is \"Custom\""))?;
        fill_of_text(field.data_type(), text).ok_or_else(|| {
            let message = format!(
                "must be a value of type {} for column `{}`, got {text:?}",
                type_name(field.data_type()),
                field.name()
            );
            Error::param("customValue", message)
        })
    }

    fn centre(&self, field: &Field) -> Result<Centre> {
        if self.cleaning_mode == "Custom" {
            return self.custom(field).map(|_| Centre::Custom);
        }
        if is_text(field.data_type()) || field.data_type() == &DataType::Boolean {
            let message = format!(
                "has type {}, which has no {}; use cleaningMode \"Custom\"",
                type_name(field.data_type()),
                self.cleaning_mode.to_lowercase()
            );
            return Err(Error::schema(field.name(), message));
        }
        Ok(if self.cleaning_mode == "Mean" {
            Centre::Mean(Moments::default())
        } else {
            Centre::Median(Box::new(Quantiles::with_rank_error(MEDIAN_ERROR)?))
        })
    }

    fn fill(&self, centre: Centre, field: &Field) -> Result<Value> {
        let number = match centre {
            Centre::Custom => return self.custom(field),
            Centre::Mean(moments) => moments.mean(),
            Centre::Median(quantiles) => quantiles.at(&[0.5])?.and_then(|values| values.first().copied()),
        };
        let number = number
            .ok_or_else(|| Error::decode("has no value to fill with: it has no rows, or all values are missing"))?;
        if number.is_nan() {
            return Err(Error::decode("has infinities of both signs, so it has no mean; use cleaningMode \"Median\""));
        }
        fill_of_number(field.data_type(), number)
    }
}

impl Aggregate for CleanMissingData {
    type State = Vec<Centre>;

    fn new_state(&self, input: &Schema) -> Result<Vec<Centre>> {
        let pairs = self.shared.pairs()?;
        pairs.iter().map(|(name, _)| self.centre(fillable(input, name)?)).collect()
    }

    fn update(&self, state: &mut Vec<Centre>, block: &Block, cx: &Context) -> Result<()> {
        for (name, centre) in self.shared.input_cols.iter().zip(state) {
            let values = match centre {
                Centre::Custom => continue,
                _ => present(name, &block.column(name)?.to_arrow(cx)?)?,
            };
            match centre {
                Centre::Mean(moments) => moments.update(&values),
                Centre::Median(quantiles) => quantiles.update(&values),
                Centre::Custom => {}
            }
        }
        Ok(())
    }

    fn merge(&self, state: &mut Vec<Centre>, other: Vec<Centre>) -> Result<()> {
        for (own, other) in state.iter_mut().zip(other) {
            match (own, other) {
                (Centre::Mean(own), Centre::Mean(other)) => own.merge(&other),
                (Centre::Median(own), Centre::Median(other)) => own.merge(&other)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Fit for CleanMissingData {
    fn finish(&self, state: Vec<Centre>, input: &Schema) -> Result<Fitted> {
        let mut fills = Vec::with_capacity(state.len());
        for (name, centre) in self.shared.input_cols.iter().zip(state) {
            let field = fillable(input, name)?;
            fills.push(self.fill(centre, field).map_err(|e| e.at_column(name))?);
        }
        let mut params = Map::new();
        params.insert("fillValues".to_owned(), Value::from(fills));
        Ok(Fitted { params, ..Fitted::default() })
    }
}

impl HasSample for CleanMissingData {
    fn sample() -> Sample {
        let params = json!({"inputCols": ["age", "visits"], "outputCols": ["age_clean", "visits_clean"]});
        Sample::new(params, crate::sample::incomplete_batch())
    }
}
