//! A small valid use of a stage, on which the contract suite runs it.

use arrow_array::RecordBatch;
use serde_json::{Map, Value};

/// Params and data with which a stage runs.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Values by param name. A model is the `{"sha256": ...}` of a stored blob.
    pub params: Map<String, Value>,
    /// At least four rows, all of which the stage processes without error.
    pub data: RecordBatch,
}

impl Sample {
    /// A sample from a JSON object of params.
    pub fn new(params: Value, data: RecordBatch) -> Self {
        let params = match params {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Self { params, data }
    }
}
