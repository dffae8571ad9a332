//! Dates and times as numbers.

use arrow_array::cast::AsArray;
use arrow_array::timezone::Tz;
use arrow_array::types::{Date32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Date32Array, TimestampMicrosecondArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use mmlrs_core::types::type_name;
use mmlrs_core::{Error, Result};

/// Names of the slots of a date.
pub const DATE_SLOTS: [&str; 5] = ["year", "weekday", "month", "day", "epoch_days"];
/// Names of the slots that a timestamp has after those of its date.
pub const TIME_SLOTS: [&str; 4] = ["hour", "minute", "second", "epoch_ms"];

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A column of dates as days since 1970-01-01.
pub fn days(column: &str, array: &ArrayRef) -> Result<Date32Array> {
    Ok(cast(column, array, &DataType::Date32)?.as_primitive::<Date32Type>().clone())
}

/// A column of timestamps as microseconds since 1970-01-01, and their time zone.
pub fn moments(column: &str, array: &ArrayRef) -> Result<(TimestampMicrosecondArray, Zone)> {
    let DataType::Timestamp(_, zone) = array.data_type() else {
        return Err(Error::schema(column, format!("has type {}; expected a timestamp", type_name(array.data_type()))));
    };
    let micros = cast(column, array, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let zone = match zone {
        None => Zone::Local,
        Some(name) => {
            Zone::Named(name.parse().map_err(|_| Error::schema(column, format!("has an unknown time zone {name}")))?)
        }
    };
    Ok((micros.as_primitive::<TimestampMicrosecondType>().clone(), zone))
}

fn cast(column: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    arrow_cast::cast(array, to)
        .map_err(|e| Error::schema(column, format!("has type {}: {e}", type_name(array.data_type()))))
}

/// The time zone of a timestamp.
#[derive(Debug, Clone, Copy)]
pub enum Zone {
    /// No zone: local time as written.
    Local,
    /// This zone: that of the Spark session, or of the Arrow type.
    Named(Tz),
}

/// The slots of a date; None outside the calendar's range of about 262,000 years.
pub fn date_slots(days: i32) -> Option<[f64; 5]> {
    let date = NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::Duration::days(days.into()))?;
    Some(slots_of(date))
}

fn slots_of(date: NaiveDate) -> [f64; 5] {
    let epoch_days = date.num_days_from_ce() - 719_163;
    [
        date.year().into(),
        date.weekday().number_from_monday().into(),
        date.month().into(),
        date.day().into(),
        epoch_days.into(),
    ]
}

/// The slots of a timestamp.
pub fn time_slots(micros: i64, zone: Zone) -> Option<[f64; 9]> {
    let utc = DateTime::from_timestamp_micros(micros)?.naive_utc();
    let local: NaiveDateTime = match zone {
        Zone::Local => utc,
        Zone::Named(zone) => zone.from_utc_datetime(&utc).naive_local(),
    };
    let [year, weekday, month, day, epoch_days] = slots_of(local.date());
    let second = f64::from(local.second());
    let epoch_ms = micros.div_euclid(MICROS_PER_SECOND / 1000) as f64;
    Some([year, weekday, month, day, epoch_days, local.hour().into(), local.minute().into(), second, epoch_ms])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_1970_and_far_ahead_have_slots() {
        assert_eq!(date_slots(0), Some([1970.0, 4.0, 1.0, 1.0, 0.0]));
        assert_eq!(date_slots(-1), Some([1969.0, 3.0, 12.0, 31.0, -1.0]));
        assert_eq!(date_slots(200_000).map(|s| s[0]), Some(2517.0));
        assert_eq!(date_slots(i32::MAX), None);
    }

    #[test]
    fn a_timestamp_is_read_in_its_zone() -> Result<()> {
        let zone = Zone::Named("Asia/Tokyo".parse().map_err(|_| Error::runtime("zone"))?);
        let slots = time_slots(-1_500_000, zone);
        assert_eq!(slots, Some([1970.0, 4.0, 1.0, 1.0, 0.0, 8.0, 59.0, 58.0, -1500.0]));
        assert_eq!(time_slots(-1_500_000, Zone::Local).map(|s| s[4]), Some(-1.0));
        Ok(())
    }
}
