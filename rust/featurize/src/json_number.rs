//! Doubles as JSON values. JSON has no infinities, so these are the strings that Spark writes for them.

use serde_json::Value;

use mmlrs_core::double_text;

/// A double as a JSON number, or as `"Infinity"`, `"-Infinity"` or `"NaN"`.
pub fn json_of(value: f64) -> Value {
    if value.is_finite() { Value::from(value) } else { Value::from(double_text(value)) }
}

/// The double from a JSON number or from a string of [`json_of`].
pub fn number_of(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        Some("NaN") => Some(f64::NAN),
        Some(_) => None,
        None => value.as_f64(),
    }
}
