//! `SummarizeData`.

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema};
use mmlrs_core::{Aggregate, Block, Context, Error, HasSample, Result, Sample, Summarize};
use mmlrs_macros::Stage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::distinct::Distinct;
use crate::fill::present;
use crate::json_number::json_of;
use crate::moments::Moments;
use crate::quantiles::Quantiles;

/// Ranks of the minimum, the quartiles and the maximum, then of the percentiles.
const RANKS: [f64; 11] = [0.0, 0.25, 0.5, 0.75, 1.0, 0.005, 0.01, 0.05, 0.95, 0.99, 0.995];
const BASIC: [&str; 5] = ["Min", "1st_Quartile", "Median", "3rd_Quartile", "Max"];
const PERCENTILES: [&str; 6] = ["P0_5", "P1", "P5", "P95", "P99", "P99_5"];

/// Describes every column by one row of statistics.
///
/// The result has the column `Feature` with the name of the column, and depending on the params:
///
/// * counts: `Count`, the number of rows; `Unique_Value_Count`, the number of distinct values; `Missing_Value_Count`, the
///   number of null and NaN values.
/// * basic: `Min`, `1st_Quartile`, `Median`, `3rd_Quartile`, `Max` and `Mean`.
/// * sample: `Sample_Variance`, `Sample_Standard_Deviation` (both with denominator n - 1), `Sample_Skewness` and
///   `Sample_Kurtosis` (excess kurtosis), the last two as in Spark's `skewness` and `kurtosis`.
/// * percentiles: `P0_5`, `P1`, `P5`, `P95`, `P99`, `P99_5`.
///
/// Columns of numbers have all statistics. Booleans, strings, bytes, dates and times have counts. Other columns have the counts
/// of rows and of missing values. A statistic that is not defined is null, or NaN if an infinity makes it undefined. Quartiles
/// and percentiles are values of the column: the smallest value for which at least that fraction of the values is less than or
/// equal to it. They are exact for columns of fewer than about 2.2 / `errorThreshold` values. The number of distinct values is
/// an estimate with a standard error of 1.6%, exact for small numbers. Integers beyond 2^53 and decimals are read as doubles.
///
/// It is one pass over the data for any number of columns; on Spark one job, which runs when `transform` is called. The state
/// takes about 70 KB per column of numbers. Percentiles come from a KLL sketch, which is randomized: beyond the exact size they
/// may differ between runs, within the error.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    body = extended,
    kind = summary,
    reports_column_names = "each row of the result has the name of the column that it describes",
    example = r#"import pyarrow as pa
from mmlrs.featurize import SummarizeData

table = pa.table({"age": [31.0, None, 45.0, 20.0], "city": ["Rome", "Oslo", "Rome", None]})
summary = SummarizeData(percentiles=False, sample=False).transform(table)
assert summary["Feature"].to_pylist() == ["age", "city"]
assert summary["Missing_Value_Count"].to_pylist() == [1, 1]
assert summary["Mean"].to_pylist() == [32.0, None]
"#
)]
#[allow(clippy::struct_excessive_bools, reason = "the four switches of the stage, each a param")]
pub struct SummarizeData {
    /// Names of the columns to describe. If not set, all columns.
    #[param(non_empty, role = input, accepts(any))]
    input_cols: Option<Vec<String>>,
    /// Include the counts of rows, distinct and missing values.
    #[param(default = true)]
    counts: bool,
    /// Include the minimum, the quartiles, the maximum and the mean.
    #[param(default = true)]
    basic: bool,
    /// Include variance, standard deviation, skewness and kurtosis.
    #[param(default = true)]
    sample: bool,
    /// Include the percentiles.
    #[param(default = true)]
    percentiles: bool,
    /// Maximum error in the rank of a quartile or percentile, as a fraction of the count, at 99% confidence.
    #[param(default = 0.001, range(0.0001, 0.5))]
    error_threshold: f64,
}

/// The state of a column.
#[derive(Debug, Serialize, Deserialize)]
pub struct Summary {
    rows: u64,
    missing: u64,
    moments: Option<Moments>,
    quantiles: Option<Box<Quantiles>>,
    distinct: Option<Box<Distinct>>,
}

impl Summary {
    fn new(stage: &SummarizeData, data_type: &DataType) -> Result<Self> {
        let number = data_type.is_numeric();
        let boxed = |included: bool| included.then(Distinct::new).transpose().map(|sketch| sketch.map(Box::new));
        let quantiles = number && (stage.basic || stage.percentiles || stage.sample);
        Ok(Self {
            rows: 0,
            missing: 0,
            moments: (number && (stage.basic || stage.sample)).then(Moments::default),
            quantiles: quantiles.then(|| Quantiles::with_rank_error(stage.error_threshold)).transpose()?.map(Box::new),
            distinct: boxed(stage.counts && Distinct::counts(data_type))?,
        })
    }

    fn update(&mut self, name: &str, array: &ArrayRef) -> Result<()> {
        self.rows += array.len() as u64;
        if !array.data_type().is_numeric() {
            self.missing += array.logical_null_count() as u64;
            return self.distinct.as_mut().map_or(Ok(()), |distinct| distinct.update_array(array));
        }
        let values = present(name, array)?;
        self.missing += (array.len() - values.len()) as u64;
        if let Some(moments) = &mut self.moments {
            moments.update(&values);
        }
        if let Some(quantiles) = &mut self.quantiles {
            quantiles.update(&values);
        }
        match &mut self.distinct {
            // As doubles, integers and decimals with many digits could not be distinguished.
            Some(distinct) if !array.data_type().is_floating() => distinct.update_array(array),
            Some(distinct) => {
                distinct.update(&values);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.rows += other.rows;
        self.missing += other.missing;
        if let (Some(own), Some(other)) = (&mut self.moments, &other.moments) {
            own.merge(other);
        }
        if let (Some(own), Some(other)) = (&mut self.quantiles, &other.quantiles) {
            own.merge(other)?;
        }
        if let (Some(own), Some(other)) = (&mut self.distinct, &other.distinct) {
            own.merge(other)?;
        }
        Ok(())
    }

    /// The row of the result.
    fn row(&self, name: &str) -> Result<Value> {
        let mut row = Map::new();
        row.insert("Feature".to_owned(), Value::from(name));
        row.insert("Count".to_owned(), Value::from(self.rows));
        row.insert("Missing_Value_Count".to_owned(), Value::from(self.missing));
        row.insert("Unique_Value_Count".to_owned(), json!(self.distinct.as_ref().map(|distinct| distinct.count())));
        let quantiles = match &self.quantiles {
            Some(quantiles) => quantiles.at(&RANKS)?,
            None => None,
        };
        for (i, key) in BASIC.iter().chain(&PERCENTILES).enumerate() {
            let value = quantiles.as_ref().map(|values| json_of(values[i]));
            row.insert((*key).to_owned(), value.unwrap_or_default());
        }
        let constant = quantiles.is_some_and(|values| values[0] >= values[4]);
        self.insert_moments(&mut row, constant);
        Ok(Value::Object(row))
    }

    /// Rounding may give a constant column a small variance, and so a skewness. These are corrected.
    fn insert_moments(&self, row: &mut Map<String, Value>, constant: bool) {
        let moments = self.moments.unwrap_or_default();
        let finite = moments.mean().is_some_and(f64::is_finite);
        let variance = moments.variance().map(|v| if constant && finite { 0.0 } else { v });
        let shape = |value: Option<f64>| if constant && finite { None } else { value };
        for (key, value) in [
            ("Mean", moments.mean()),
            ("Sample_Variance", variance),
            ("Sample_Standard_Deviation", variance.map(f64::sqrt)),
            ("Sample_Skewness", shape(moments.skewness())),
            ("Sample_Kurtosis", shape(moments.kurtosis())),
        ] {
            row.insert(key.to_owned(), value.map(json_of).unwrap_or_default());
        }
    }
}

impl SummarizeData {
    fn names(&self) -> &[String] {
        self.input_cols.as_deref().unwrap_or_default()
    }
}

impl Aggregate for SummarizeData {
    type State = Vec<Summary>;

    fn new_state(&self, input: &Schema) -> Result<Vec<Summary>> {
        self.names().iter().map(|name| Summary::new(self, input.field_with_name(name)?.data_type())).collect()
    }

    fn update(&self, state: &mut Vec<Summary>, block: &Block, cx: &Context) -> Result<()> {
        let mut work = Vec::with_capacity(state.len());
        for (name, summary) in self.names().iter().zip(state) {
            work.push((name, block.column(name)?.to_arrow(cx)?, summary));
        }
        let update = |(name, array, summary): (&String, ArrayRef, &mut Summary)| {
            cx.threads.check()?;
            summary.update(name, &array).map_err(|e| e.at_column(name))
        };
        match cx.threads.pool()? {
            Some(pool) if work.len() > 1 => pool.install(|| work.into_par_iter().try_for_each(update)),
            _ => work.into_iter().try_for_each(update),
        }
    }

    fn merge(&self, state: &mut Vec<Summary>, other: Vec<Summary>) -> Result<()> {
        if state.len() != other.len() {
            return Err(Error::runtime("the state of the fit has other columns"));
        }
        state.iter_mut().zip(&other).try_for_each(|(own, other)| own.merge(other))
    }
}

impl Summarize for SummarizeData {
    fn finish(&self, state: Vec<Summary>) -> Result<Map<String, Value>> {
        let rows: Vec<Value> =
            self.names().iter().zip(&state).map(|(name, summary)| summary.row(name)).collect::<Result<_>>()?;
        Ok([("rows".to_owned(), Value::from(rows))].into_iter().collect())
    }
}

impl HasSample for SummarizeData {
    fn sample() -> Sample {
        Sample::new(json!({"inputCols": ["age", "visits"]}), crate::sample::incomplete_batch())
    }
}
