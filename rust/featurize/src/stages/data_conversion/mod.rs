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
/// * boolean, of booleans, numbers and strings: numbers other than zero are true; t, true, y, yes, 1, f, false, n, no, 0.
/// * byte, short, integer, long, of booleans, numbers and strings: the fraction of a number is cut; a string must be whole.
/// * long, of dates and timestamps: milliseconds since 1970.
/// * float, double, of booleans, numbers and strings.
/// * string, of all of these: floats as Java 19 and later write them, with the fewest digits; dates and timestamps by `dateTimeFormat`.
/// * date, timestamp, of dates, timestamps, strings (by `dateTimeFormat`) and whole numbers (milliseconds since 1970).
/// * toCategorical, of what `ValueIndexer` reads: indices with nominal attributes. It fits, one pass over the data for each
///   column, and takes unseen and missing values as `ValueIndexer` does.
/// * clearCategorical, of what `IndexToValue` reads: the values back from the indices.
///
/// A null stays null. A value that cannot be converted, because it does not fit, cannot be read or is a time outside the
/// years 1 to 9999, goes by `handleInvalid`. Local times are those of `timeZone`; one that a clock change repeats is the
/// earlier, one that it skips is as much later as it skips, as in Java. Spark and tables give the same values. On Spark the
/// conversions are part of the Python pass of native stages, unless they replace their columns, which ends it.
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
    /// Names of the converted columns, one for each column. Where a name is that of its column, or where none are given,
    /// the column is replaced.
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
    /// How dates and times are written, the part of Java's patterns that needs no locale: y, yy, yyyy, M, MM, MMM (English),
    /// d, dd, H, HH, h, hh, m, mm, s, ss, S to SSSSSS, a, and text in quotes.
    #[param(default = "yyyy-MM-dd HH:mm:ss", non_empty)]
    date_time_format: String,
    /// The zone of local times, such as "Europe/Paris" or "+02:00"; when not set, that of the Spark session, and on tables
    /// the column's own, else UTC.
    #[param(non_empty)]
    time_zone: Option<String>,
    #[param(group)]
    policy: ConversionPolicy,
}

/// The row policy of a conversion: a null is none to complain of.
#[derive(Debug, Clone)]
struct ConversionPolicy(RowPolicy);

impl ParamGroup for ConversionPolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "What to do with a value that cannot be converted: \"error\" fails with one error that names stage, \
                        column, row and value; \"skip\" drops the row; \"keep\" leaves a null in the output.";
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

    /// The name of the zone for a column of that type.
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

    /// Converts one column and tells which rows cannot be.
    fn converted(&self, name: &str, array: &ArrayRef, rejects: &mut Rejects) -> Result<ArrayRef> {
        let target = self.target()?;
        let made = convert(array, target, &self.clock(array.data_type())?)?;
        if made.null_count() > array.null_count() {
            for row in (0..array.len()).filter(|row| made.is_null(*row) && !array.is_null(*row)) {
                let shown = array_value_to_string(array, row).unwrap_or_default();
                rejects.reject_cell(
                    row,
                    name,
                    &format!("has the value {shown:?}, which is no {}", self.noun(target)),
                )?;
            }
        }
        Ok(cast(&made, &target.arrow(self.zone_name(array.data_type())))?)
    }

    fn noun(&self, target: Target) -> String {
        match target {
            Target::Date | Target::Timestamp => {
                format!("{} of the years 1 to 9999 written as {}", self.convert_to, self.date_time_format)
            }
            Target::String => "time of the years 1 to 9999".to_owned(),
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
                let message = format!("has type {}, which does not become {}", type_name(data_type), self.convert_to);
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
