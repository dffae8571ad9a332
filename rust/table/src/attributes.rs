//! Spark ML attributes of vectors.

use arrow_schema::{DataType, Field};
use mmlrs_core::types::ML_ATTR_KEY;
use serde_json::{Map, Value, json};

use crate::numbers::is_vector;

/// The attributes a field carries.
pub fn attributes_of(field: &Field) -> Option<Value> {
    field.metadata().get(ML_ATTR_KEY).and_then(|text| serde_json::from_str(text).ok())
}

/// The attributes of an assembled vector: its size where that is known, and the nominal attributes of the columns at
/// their places, named as `VectorAssembler` names them: by the column, and within a vector by `column_slot` with the slot's
/// name or index. Behind a vector of unknown size no place is known.
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

/// Number of slots of a vector column, where its type or its attributes tell.
pub fn size_of(field: &Field, attributes: Option<&Value>) -> Option<u64> {
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
