//! Conversion of values from one type to another.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::{Date32Type, Float32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow_cast::cast::cast;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use mmlrs_core::types::is_text;
use mmlrs_core::{Result, double_text, float_text};

use super::pattern::{Pattern, in_range};

const MICROS_PER_MILLI: i64 = 1000;

/// The target type of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    String,
    Date,
    Timestamp,
}

impl Target {
    /// The target with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::Boolean,
            "byte" => Self::Byte,
            "short" => Self::Short,
            "integer" => Self::Integer,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "string" => Self::String,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            _ => return None,
        })
    }

    /// The Arrow type. Timestamps have a zone.
    pub fn arrow(self, zone: &str) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Byte => DataType::Int8,
            Self::Short => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::Long => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(zone.into())),
        }
    }

    /// Whether columns of this type can be converted to it.
    pub fn accepts(self, from: &DataType) -> bool {
        let Some(kind) = Kind::of(from) else { return false };
        match self {
            Self::String | Self::Long => true,
            Self::Date | Self::Timestamp => matches!(kind, Kind::Text | Kind::Integer | Kind::Date | Kind::Timestamp),
            _ => !matches!(kind, Kind::Date | Kind::Timestamp),
        }
    }
}

/// The part of a column's type that decides its conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    Float,
    Decimal,
    Text,
    Date,
    Timestamp,
}

impl Kind {
    fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Self::Decimal
            }
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(..) => Self::Timestamp,
            t if t.is_integer() => Self::Integer,
            text if is_text(text) => Self::Text,
            _ => return None,
        })
    }
}

/// The format of times and the time zone.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The pattern of strings.
    pub pattern: Pattern,
    /// The zone of local times.
    pub zone: Tz,
}

/// The column converted to the target. A value is null if it was null or cannot be converted.
pub fn convert(array: &ArrayRef, target: Target, clock: &Clock) -> Result<ArrayRef> {
    let to = target.arrow("UTC");
    let converted: ArrayRef = match (Kind::of(array.data_type()), target) {
        (Some(Kind::Text), Target::Date | Target::Timestamp) => {
            let texts = cast(array, &DataType::Utf8)?;
            clock.of_local(texts.as_string::<i32>().iter().map(|t| t.and_then(|t| clock.pattern.parse(t))), target)
        }
        (Some(Kind::Text), Target::String) | (Some(Kind::Date), Target::Date) => cast(array, &to)?,
        (Some(Kind::Text), _) => cast(&from_text(cast(array, &DataType::Utf8)?.as_string(), target), &to)?,
        (Some(Kind::Float), Target::String) => Arc::new(float_texts(array)?),
        (Some(Kind::Decimal), Target::Boolean) => cast(&cast(array, &DataType::Float64)?, &to)?,
        (Some(Kind::Integer), Target::Date | Target::Timestamp) => {
            let millis = cast(array, &DataType::Int64)?;
            let micros = millis.as_primitive::<Int64Type>().iter().map(|m| m?.checked_mul(MICROS_PER_MILLI));
            clock.of_instants(micros, target)
        }
        (Some(Kind::Date | Kind::Timestamp), _) => clock.convert_times(array, target)?,
        _ => cast(array, &to)?,
    };
    Ok(converted)
}

/// Strings as booleans and numbers, parsed like Spark's `try_cast`. Surrounding white space is ignored.
fn from_text(texts: &StringArray, target: Target) -> ArrayRef {
    let trimmed = texts.iter().map(|text| text.map(str::trim));
    match target {
        Target::Boolean => Arc::new(trimmed.map(|text| boolean(text?)).collect::<BooleanArray>()),
        Target::Float => Arc::new(trimmed.map(|text| text?.parse::<f32>().ok()).collect::<Float32Array>()),
        Target::Double => Arc::new(trimmed.map(|text| text?.parse::<f64>().ok()).collect::<Float64Array>()),
        _ => Arc::new(trimmed.map(|text| text?.parse::<i64>().ok()).collect::<Int64Array>()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn float_texts(array: &ArrayRef) -> Result<StringArray> {
    if array.data_type() == &DataType::Float64 {
        return Ok(array.as_primitive::<Float64Type>().iter().map(|v| v.map(double_text)).collect());
    }
    let floats = cast(array, &DataType::Float32)?;
    Ok(floats.as_primitive::<Float32Type>().iter().map(|v| v.map(float_text)).collect())
}

impl Clock {
    /// Dates and timestamps converted to the target.
    fn convert_times(&self, array: &ArrayRef, target: Target) -> Result<ArrayRef> {
        let zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
        if zoned && target != Target::String && target != Target::Date {
            let micros = cast(array, &Target::Timestamp.arrow("UTC"))?;
            return Ok(self.of_instants(micros.as_primitive::<TimestampMicrosecondType>().iter(), target));
        }
        let local = self.local_times(array)?;
        if target == Target::String {
            let texts = local.into_iter().map(|time| self.pattern.format(time?));
            return Ok(Arc::new(texts.collect::<StringArray>()));
        }
        Ok(self.of_local(local.into_iter(), target))
    }

    /// The local times of timestamps, and of dates, which are midnights.
    fn local_times(&self, array: &ArrayRef) -> Result<Vec<Option<NaiveDateTime>>> {
        let DataType::Timestamp(_, zone) = array.data_type() else {
            let days = cast(array, &DataType::Date32)?;
            let midnight = |days: i32| {
                let date = NaiveDate::default().checked_add_signed(Duration::days(days.into()))?;
                Some(date.and_time(NaiveTime::MIN))
            };
            return Ok(days.as_primitive::<Date32Type>().iter().map(|days| midnight(days?)).collect());
        };
        let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
        let local = |micros: i64| {
            let instant = DateTime::from_timestamp_micros(micros)?.naive_utc();
            if zone.is_none() {
                return Some(instant);
            }
            in_range(instant.date()).then(|| self.zone.from_utc_datetime(&instant).naive_local())
        };
        Ok(micros.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| local(micros?)).collect())
    }

    fn of_local(&self, times: impl Iterator<Item = Option<NaiveDateTime>>, target: Target) -> ArrayRef {
        if target == Target::Date {
            return Arc::new(times.map(|time| day(time?)).collect::<Date32Array>());
        }
        self.of_instants(times.map(|time| self.instant(time?)), target)
    }

    /// Microseconds since 1970 converted to the target. A date or a timestamp outside the years 1 to 9999 is null.
    fn of_instants(&self, micros: impl Iterator<Item = Option<i64>>, target: Target) -> ArrayRef {
        if target == Target::Long {
            return Arc::new(micros.map(|m| m.map(|m| m.div_euclid(MICROS_PER_MILLI))).collect::<Int64Array>());
        }
        let local = |micros: i64| {
            let instant = DateTime::from_timestamp_micros(micros)?.naive_utc();
            in_range(instant.date()).then(|| self.zone.from_utc_datetime(&instant).naive_local())
        };
        if target == Target::Date {
            return Arc::new(micros.map(|m| day(local(m?)?)).collect::<Date32Array>());
        }
        let valid = micros.map(|m| m.filter(|m| local(*m).is_some())).collect::<TimestampMicrosecondArray>();
        Arc::new(valid.with_timezone("UTC"))
    }

    /// The instant of a local time, as in Java. For a time that the clock repeats it is the earlier instant. A time that the
    /// clock skips is moved forward by the length of the gap.
    fn instant(&self, local: NaiveDateTime) -> Option<i64> {
        let utc = match self.zone.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time.naive_utc(),
            LocalResult::None => {
                let before = self.zone.offset_from_local_datetime(&(local - Duration::days(1))).earliest()?;
                local - before.fix()
            }
        };
        Some(utc.and_utc().timestamp_micros())
    }
}

/// Days since 1970 of a date in the years 1 to 9999.
fn day(time: NaiveDateTime) -> Option<i32> {
    in_range(time.date()).then(|| time.date().signed_duration_since(NaiveDate::default()).num_days() as i32)
}
