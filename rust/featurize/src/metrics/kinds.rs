//! Kinds of labels and predictions, and which of them can be compared.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, TimeUnit};
use chrono::DateTime;
use mmlrs_core::{Error, Result, types};

/// The kind of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers and booleans.
    Number,
    /// Strings, including categories.
    Text,
    /// Dates and timestamps. As labels they are strings.
    Time,
}

impl Kind {
    /// The kind of a column, or an error that names it.
    pub fn of(column: &str, data_type: &DataType) -> Result<Self> {
        let plain = if let DataType::Dictionary(_, values) = data_type { values } else { data_type };
        match plain {
            t if types::is_text(t) => Ok(Self::Text),
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _) => Ok(Self::Time),
            DataType::Boolean | DataType::Null => Ok(Self::Number),
            t if t.is_numeric() => Ok(Self::Number),
            t => {
                let message = format!(
                    "has type {}; classes must be strings, numbers, booleans, dates or timestamps",
                    types::type_name(t)
                );
                Err(Error::schema(column, message))
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Number => "numbers",
            Self::Text => "text",
            Self::Time => "dates or timestamps",
        }
    }

    /// Returns an error if predictions cannot be compared with labels whose order is unknown.
    pub fn check_comparable(label: &Field, prediction: &Field) -> Result<()> {
        let of = |field: &Field| Self::of(field.name(), field.data_type());
        let (expected, actual) = (of(label)?, of(prediction)?);
        if expected == actual || [label, prediction].iter().any(|field| field.data_type() == &DataType::Null) {
            return Ok(());
        }
        let remedy = match (expected, actual) {
            (_, Self::Number) => {
                "if they are class indices, convert them to labels with IndexToValue, or set `labels` in the \
                 order of the classes"
            }
            (Self::Number, _) => "convert one of them with IndexToValue or DataConversion, or set `labels`",
            _ => "convert one of them with DataConversion",
        };
        let message =
            format!("holds {}, but the labels in `{}` are {}; {remedy}", actual.word(), label.name(), expected.word());
        Err(Error::schema(prediction.name(), message))
    }

    /// Returns an error unless the column holds numbers.
    pub fn check_number(field: &Field) -> Result<()> {
        if matches!(Self::of(field.name(), field.data_type()), Ok(Self::Number)) {
            return Ok(());
        }
        let message =
            format!("has type {}; regression needs numbers; use DataConversion", types::type_name(field.data_type()));
        Err(Error::schema(field.name(), message))
    }
}

/// The values of a column of strings, dates or timestamps as strings: `2020-01-31`, and in UTC `2020-01-31 09:30:00.5`.
pub fn texts_of(array: &ArrayRef) -> Result<LargeStringArray> {
    let array = match array.data_type() {
        DataType::Timestamp(_, zone) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            return Ok(micros.as_primitive::<TimestampMicrosecondType>().iter().map(|m| m.map(moment_text)).collect());
        }
        DataType::Date64 => cast(array, &DataType::Date32)?,
        _ => array.clone(),
    };
    Ok(cast(&array, &DataType::LargeUtf8)?.as_string::<i64>().clone())
}

fn moment_text(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).map_or_else(
        || micros.to_string(),
        |moment| {
            let text = moment.naive_utc().format("%Y-%m-%d %H:%M:%S%.6f").to_string();
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::TimestampMillisecondArray;

    use super::*;

    #[test]
    fn moments_are_texts_in_utc_without_idle_zeros() -> Result<()> {
        let moments: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(vec![0, -500, 86_400_000]).with_timezone("Asia/Tokyo"));
        let texts = texts_of(&moments)?;
        let values: Vec<_> = texts.iter().flatten().collect();
        assert_eq!(values, ["1970-01-01 00:00:00", "1969-12-31 23:59:59.5", "1970-01-02 00:00:00"]);
        Ok(())
    }
}
