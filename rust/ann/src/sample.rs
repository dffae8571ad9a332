//! Small data for samples and tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::vector::{VectorBuilder, vector_struct_field};
use serde_json::json;

use crate::description::Description;
use crate::file;

/// Vectors of two slots with classes.
pub fn classes_batch() -> RecordBatch {
    let mut rows = VectorBuilder::with_capacity(6);
    for row in [[0.0, 1.0], [1.0, 0.0], [0.5, 2.0], [2.0, 0.5], [0.0, 3.0], [3.0, 1.0]] {
        rows.push_dense(&row);
    }
    let labels: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0]));
    let fields = vec![vector_struct_field("features", None), Field::new("label", DataType::Float64, true)];
    let schema = Arc::new(Schema::new(fields));
    let columns = rows.finish().map(|array| vec![Arc::new(array) as ArrayRef, labels]);
    columns
        .ok()
        .and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns).ok())
        .unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// The description of a network that reads vectors of two slots.
pub fn small_layers(outputs: usize) -> String {
    let loss = if outputs == 1 { "squared_error" } else { "cross_entropy" };
    let layers = json!([{"kind": "dense", "size": outputs}]);
    json!({"version": 1, "input": [2], "layers": layers, "loss": {"kind": loss}}).to_string()
}

/// A trained network of one layer that reads vectors of two slots.
pub fn small_network(outputs: usize) -> Vec<u8> {
    let parameters: Vec<f32> = (0..3 * outputs).map(|at| [-1.0, 1.0, 1.0, -1.0, 0.25, -0.25][at % 6]).collect();
    file_of(&small_layers(outputs), &parameters)
}

/// A trained autoencoder of vectors of two slots, with codes of one value.
pub fn small_encoder() -> Vec<u8> {
    let layers = json!([{"kind": "dense", "size": 1}, {"kind": "dense", "size": 2}]);
    let text = json!({"version": 1, "input": [2], "layers": layers, "loss": {"kind": "squared_error"}}).to_string();
    file_of(&text, &[0.5, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0])
}

fn file_of(text: &str, parameters: &[f32]) -> Vec<u8> {
    Description::parse(text).and_then(|description| file::write(&description, parameters)).unwrap_or_default()
}
