//! `DataConversion`.

mod convert;
mod pattern;

use arrow_array::timezone::Tz;
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast::cast;
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::type_name;
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, Output, ParamGroup, ParamMap, ParamSpec, Rejects, Result, RowPolicy,
    Sample, Transform,
};
use mmlrs_macros::Stage;
use serde_json::json;

use convert::{Clock, Target, convert};
use pattern::pattern_of;

/// Converts columns to another type.
///
/// * boolean, from booleans, numbers and strings: nonzero numbers are true; strings are t, true, y, yes, 1, f, false, n, no, 0.
/// * byte, short, integer, long, from booleans, numbers and strings: the fraction of a number is truncated; a string must hold
///   an integer.
/// * long, from dates and timestamps: milliseconds since 1970.
/// * float, double, from booleans, numbers and strings.
/// * string, from all of these: floats as Java 19 and later write them, with the fewest digits; dates and timestamps in
///   `dateTimeFormat`.
/// * date, timestamp, from dates, timestamps, strings (in `dateTimeFormat`) and integers (milliseconds since 1970).
/// * toCategorical, from the types that `ValueIndexer` reads: indices with nominal attributes. It needs a fit, one pass over
///   the data for each column, and handles unseen and missing values like `ValueIndexer`.
/// * clearCategorical, from the types that `IndexToValue` reads: the values of the indices.
///
/// A null stays null. `handleInvalid` applies to a value that cannot be converted because it is out of range, cannot be parsed
/// or is a time outside the years 1 to 9999. Local times are in `timeZone`, as in Java: for a time that a clock change repeats
/// the earlier instant is taken, and a time that it skips is moved forward by the length of the gap. Spark and tables give the
/// same values. On Spark the conversions run in the Python pass of native stages. Replacing a column ends that pass.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    body = extended,
    accepts_nulls = "null stays null, as in a cast in Spark",
    example = r#"import pyarrow as pa
from mmlrs.featurize import DataConversion

table = pa.table({"age": ["31", " 45"], "born": ["2001-02-03", "1950-12-24"]})
table = DataConversion(cols=["age"], convertTo="integer").transform(table)
table = DataConversion(cols=["born"], convertTo="date", dateTimeFormat="yyyy-MM-dd").transform(table)
assert table["age"].to_pylist() == [31, 45]
assert table["born"][1].as_py().year == 1950
"#
)]
pub struct DataConversion {
    /// Names of the columns to convert.
    #[param(required, non_empty, role = input, accepts(any))]
    cols: Vec<String>,
    /// Names of the converted columns, one for each column. A column is replaced if its own name is given here, or if this
    /// param is not set.
    #[param(role = output, non_empty)]
    output_cols: Option<Vec<String>>,
    /// The type to convert to.
    #[param(
        required,
        one_of(
            "boolean",
            "byte",
            "short",
            "integer",
            "long",
            "float",
            "double",
            "string",
            "date",
            "timestamp",
            "toCategorical",
            "clearCategorical"
        )
    )]
    convert_to: String,
    /// The format of dates and times: the locale-independent part of Java's patterns. The letters are y, yy, yyyy, M, MM, MMM
    /// (English), d, dd, H, HH, h, hh, m, mm, s, ss, S to SSSSSS, a, and text in quotes.
    #[param(default = "yyyy-MM-dd HH:mm:ss", non_empty)]
    date_time_format: String,
    /// The time zone of local times, such as "Europe/Paris" or "+02:00". If not set, the zone of the Spark session; on tables
    /// the zone of the column, else UTC.
    #[param(non_empty)]
    time_zone: Option<String>,
    #[param(group)]
    policy: ConversionPolicy,
}

/// The row policy of a conversion, which does not apply to nulls.
#[derive(Debug, Clone)]
struct ConversionPolicy(RowPolicy);

impl ParamGroup for ConversionPolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "How to handle a value that cannot be converted: \"error\" fails with an error that names stage, \
                        column, row and value; \"skip\" drops the row; \"keep\" keeps the row with a null result.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}

impl DataConversion {
    fn target(&self) -> Result<Target> {
        Target::parse(&self.convert_to).ok_or_else(|| {
            let message =
                format!("must not be {:?} in a column function; use ValueIndexer or IndexToValue", self.convert_to);
            Error::param("convertTo", message)
        })
    }

    fn outputs(&self) -> Result<&[String]> {
        let outputs = self.output_cols.as_deref().unwrap_or(&self.cols);
        if outputs.len() == self.cols.len() {
            return Ok(outputs);
        }
        let message = format!("must name {} columns, as cols does, got {}", self.cols.len(), outputs.len());
        Err(Error::param("outputCols", message))
    }

    /// The name of the time zone for a column of that type.
    fn zone_name<'a>(&'a self, data_type: &'a DataType) -> &'a str {
        match (&self.time_zone, data_type) {
            (Some(zone), _) => zone,
            (None, DataType::Timestamp(_, Some(zone))) => zone,
            _ => "UTC",
        }
    }

    fn clock(&self, data_type: &DataType) -> Result<Clock> {
        let name = self.zone_name(data_type);
        let zone: Tz = name.parse().map_err(|_| {
            Error::param(
                "timeZone",
                format!("must be a time zone such as \"Europe/Paris\" or \"+02:00\", got {name:?}"),
            )
        })?;
        Ok(Clock { pattern: pattern_of("dateTimeFormat", &self.date_time_format)?, zone })
    }

    /// Converts one column and rejects the rows that cannot be converted.
    fn converted(&self, name: &str, array: &ArrayRef, rejects: &mut Rejects) -> Result<ArrayRef> {
        let target = self.target()?;
        let converted = convert(array, target, &self.clock(array.data_type())?)?;
        if converted.null_count() > array.null_count() {
            for row in (0..array.len()).filter(|row| converted.is_null(*row) && !array.is_null(*row)) {
                let shown = array_value_to_string(array, row).unwrap_or_default();
                rejects.reject_cell(
                    row,
                    name,
                    &format!("has the value {shown:?}, which is not a valid {}", self.noun(target)),
                )?;
            }
        }
        Ok(cast(&converted, &target.arrow(self.zone_name(array.data_type())))?)
    }

    fn noun(&self, target: Target) -> String {
        match target {
            Target::Date | Target::Timestamp => {
                format!("{} in the years 1 to 9999 with the format {}", self.convert_to, self.date_time_format)
            }
            Target::String => "time in the years 1 to 9999".to_owned(),
            _ => self.convert_to.clone(),
        }
    }
}

impl Transform for DataConversion {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let target = self.target()?;
        let mut fields = Vec::with_capacity(self.cols.len());
        for (from, to) in self.cols.iter().zip(self.outputs()?) {
            let data_type = input.field_with_name(from)?.data_type();
            if !target.accepts(data_type) {
                let message =
                    format!("has type {}, which cannot be converted to {}", type_name(data_type), self.convert_to);
                return Err(Error::schema(from, message));
            }
            self.clock(data_type)?;
            fields.push(Field::new(to, target.arrow(self.zone_name(data_type)), true));
        }
        Ok(fields)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let mut rejects = Rejects::new(self.policy.0.handle_invalid);
        let mut columns = Vec::with_capacity(self.cols.len());
        for name in &self.cols {
            columns.push(Column::arrow(self.converted(name, &block.column(name)?.to_arrow(cx)?, &mut rejects)?));
        }
        Ok(Output { columns, invalid: rejects.into_rows() })
    }
}

impl HasSample for DataConversion {
    fn sample() -> Sample {
        let params =
            json!({"cols": ["age", "visits"], "outputCols": ["age_text", "visits_text"], "convertTo": "string"});
        Sample::new(params, crate::sample::incomplete_batch())
    }
}
