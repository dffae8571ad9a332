//! Small data for samples and tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::vector::{VectorBuilder, vector_struct_field};

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

/// A trained classifier of vectors of two slots.
pub fn small_classifier() -> Vec<u8> {
    const TEXT: &str =
        r#"{"version": 1, "input": [2], "layers": [{"kind": "dense", "size": 2}], "loss": {"kind": "cross_entropy"}}"#;
    let parameters = [-1.0, 1.0, 1.0, -1.0, 0.25, -0.25];
    Description::parse(TEXT).and_then(|description| file::write(&description, &parameters)).unwrap_or_default()
}
