//! Spark ML attributes of vectors.

use std::collections::HashMap;

use arrow_schema::{DataType, Field};
use mmlrs_core::types::{LEVELS_KEY, ML_ATTR_KEY};
use serde_json::{Map, Value, json};

use crate::levels::LevelType;
use crate::numbers::is_vector;

/// The Spark ML attributes of a field.
pub fn attributes_of(field: &Field) -> Option<Value> {
    field.metadata().get(ML_ATTR_KEY).and_then(|text| serde_json::from_str(text).ok())
}

/// Levels, as strings, in the order that the column's type declares.
#[derive(Debug, Clone)]
pub struct DeclaredLevels(HashMap<String, usize>);

impl DeclaredLevels {
    /// Number of levels, including those that do not occur.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sorts levels into the declared order. Undeclared levels stay in their order, after the declared ones.
    pub fn sort<T>(&self, levels: &mut [T], text: impl Fn(&T) -> String) {
        levels.sort_by_cached_key(|level| self.0.get(&text(level)).copied().unwrap_or(usize::MAX));
    }
}

/// The levels that a column's type declares, as ordered JSON values.
pub fn declared_values(field: &Field) -> Option<Vec<Value>> {
    serde_json::from_str(field.metadata().get(LEVELS_KEY)?).ok()
}

/// The levels that a column's type declares: those of a pandas category, a polars Enum or an ordered Arrow dictionary. Such a
/// column is passed as its decoded values.
pub fn declared_levels(field: &Field) -> Option<DeclaredLevels> {
    let values = declared_values(field)?;
    let kind = LevelType::of(field.data_type()).unwrap_or(LevelType::String);
    Some(DeclaredLevels(values.iter().map(|value| kind.text(value)).zip(0..).collect()))
}

/// The attributes of an assembled vector: its size if it is known, and the nominal attributes of the columns with their slots.
/// Names are those of `VectorAssembler`: the column, or for a slot of a vector `column_slot` with the slot's name or index.
/// Slots after a vector of unknown size have no attributes.
pub fn assembled(fields: &[&Field]) -> Option<Value> {
    let mut nominal: Vec<Value> = Vec::new();
    let mut slot = 0;
    for field in fields {
        let attributes = attributes_of(field);
        if !is_vector(field.data_type()) {
            if let Some(Value::Object(attribute)) = attributes
                && attribute.get("type").and_then(Value::as_str) == Some("nominal")
            {
                nominal.push(placed(attribute, field.name(), slot));
            }
            slot += 1;
            continue;
        }
        for attribute in attributes.iter().flat_map(nominal_of) {
            let index = attribute.get("idx").and_then(Value::as_u64).unwrap_or_default();
            let own = attribute.get("name").and_then(Value::as_str).map_or_else(|| index.to_string(), str::to_owned);
            nominal.push(placed(attribute, &format!("{}_{own}", field.name()), slot + index));
        }
        slot += size_of(field, attributes.as_ref())?;
    }
    Some(if nominal.is_empty() {
        json!({"num_attrs": slot})
    } else {
        json!({"attrs": {"nominal": nominal}, "num_attrs": slot})
    })
}

/// Number of slots of a vector column, if it is known.
pub fn declared_size(field: &Field) -> Option<usize> {
    size_of(field, attributes_of(field).as_ref()).and_then(|size| usize::try_from(size).ok())
}

/// Number of slots of a vector column, if its type or its attributes state it.
fn size_of(field: &Field, attributes: Option<&Value>) -> Option<u64> {
    if let DataType::FixedSizeList(_, size) = field.data_type() {
        return Some(*size as u64);
    }
    attributes?.get("num_attrs")?.as_u64()
}

fn nominal_of(attributes: &Value) -> Vec<Map<String, Value>> {
    let list = attributes.pointer("/attrs/nominal").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|a| a.as_object().cloned()).collect()
}

fn placed(mut attribute: Map<String, Value>, name: &str, slot: u64) -> Value {
    attribute.remove("type");
    attribute.insert("name".to_owned(), Value::from(name));
    attribute.insert("idx".to_owned(), Value::from(slot));
    Value::Object(attribute)
}
