//! Lists of numbers in a definition: the base64 form of their little-endian bytes, or a JSON list.

use std::ops::Deref;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Doubles, including NaN and the infinities, which JSON lacks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Floats(pub Vec<f64>);

/// 32-bit integers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ints(pub Vec<i32>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Form<T> {
    Packed { base64: String },
    List(Vec<T>),
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|e| format!("has numbers that are not base64: {e}"))
}

impl<'de> Deserialize<'de> for Floats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::List(list) => Ok(Self(list)),
            Form::Packed { base64 } => {
                let bytes = bytes(&base64).map_err(D::Error::custom)?;
                let (numbers, rest) = bytes.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(D::Error::custom("has doubles of incomplete bytes"));
                }
                Ok(Self(numbers.iter().map(|b| f64::from_le_bytes(*b)).collect()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Ints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::List(list) => Ok(Self(list)),
            Form::Packed { base64 } => {
                let bytes = bytes(&base64).map_err(D::Error::custom)?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(D::Error::custom("has integers of incomplete bytes"));
                }
                Ok(Self(numbers.iter().map(|b| i32::from_le_bytes(*b)).collect()))
            }
        }
    }
}

impl Deref for Floats {
    type Target = [f64];
    fn deref(&self) -> &[f64] {
        &self.0
    }
}

impl Deref for Ints {
    type Target = [i32];
    fn deref(&self) -> &[i32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_forms() -> Result<(), serde_json::Error> {
        let floats: Floats = serde_json::from_str("[1.5, 2]")?;
        assert_eq!(floats.0, [1.5, 2.0]);
        let packed = STANDARD.encode([f64::NEG_INFINITY.to_le_bytes(), 0.1f64.to_le_bytes()].concat());
        let floats: Floats = serde_json::from_str(&format!("{{\"base64\": \"{packed}\"}}"))?;
        assert_eq!(floats.0, [f64::NEG_INFINITY, 0.1]);
        let ints: Ints = serde_json::from_str("{\"base64\": \"AQAAAP////8=\"}")?;
        assert_eq!(ints.0, [1, -1]);
        for damaged in ["{\"base64\": \"AQA\"}", "{\"base64\": \"AQAA\"}", "{\"base64\": \"?\"}", "[\"a\"]"] {
            assert!(serde_json::from_str::<Ints>(damaged).is_err(), "{damaged}");
        }
        Ok(())
    }
}
