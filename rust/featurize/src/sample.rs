//! Small data for samples and tests.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::ML_ATTR_KEY;
use mmlrs_core::vector::{VectorBuilder, vector_struct_field};
use serde_json::json;

fn counts() -> Option<ArrayRef> {
    let mut rows = VectorBuilder::with_capacity(4);
    rows.push_dense(&[0.0, 1.0, 0.0, 0.0, 2.5, 0.0]);
    rows.push_sparse(6, &[1], &[-3.0]);
    rows.push_sparse(6, &[], &[]);
    rows.push_sparse(6, &[1, 4], &[0.5, 7.0]);
    Some(Arc::new(rows.finish().ok()?))
}

fn batch(fields: Vec<Field>, columns: Option<Vec<ArrayRef>>) -> RecordBatch {
    columns
        .and_then(|columns| RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).ok())
        .unwrap_or_else(|| RecordBatch::new_empty(Arc::new(Schema::empty())))
}

/// Vectors of six slots, two of which are nonzero; dense and sparse.
pub fn vector_batch() -> RecordBatch {
    batch(vec![vector_struct_field("counts", None)], counts().map(|counts| vec![counts]))
}

/// A number, a flag and the vectors of [`vector_batch`].
pub fn mixed_batch() -> RecordBatch {
    let fields = vec![
        Field::new("number", DataType::Float64, true),
        Field::new("flag", DataType::Boolean, true),
        vector_struct_field("counts", Some(&json!({"num_attrs": 6}))),
    ];
    let number: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 0.0, -2.0, 1e9]));
    let flag: ArrayRef = Arc::new(BooleanArray::from(vec![true, false, false, true]));
    batch(fields, counts().map(|counts| vec![number, flag, counts]))
}

/// The columns of [`mixed_batch`], a category, a string and a date.
pub fn raw_batch() -> RecordBatch {
    let mixed = mixed_batch();
    let mut fields: Vec<Field> = mixed.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.extend([
        Field::new("word", DataType::Utf8, true),
        Field::new("note", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
    ]);
    let word: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "b", "a"]));
    let note: ArrayRef = Arc::new(StringArray::from(vec!["red apple", "green pear", "", "red red pear"]));
    let day: ArrayRef = Arc::new(Date32Array::from(vec![0, 18_000, -400, 20_000]));
    let mut columns = mixed.columns().to_vec();
    columns.extend([word, note, day]);
    batch(fields, Some(columns))
}

/// Integers and fractions, with nulls and NaN.
pub fn incomplete_batch() -> RecordBatch {
    let fields = vec![Field::new("age", DataType::Float64, true), Field::new("visits", DataType::Int32, true)];
    let age: ArrayRef = Arc::new(Float64Array::from(vec![Some(31.0), None, Some(f64::NAN), Some(45.0), Some(-0.5)]));
    let visits: ArrayRef = Arc::new(Int32Array::from(vec![Some(2), Some(4), None, Some(9), Some(7)]));
    batch(fields, Some(vec![age, visits]))
}

/// A column of three categories.
pub fn category_batch() -> RecordBatch {
    let city: ArrayRef = Arc::new(StringArray::from(vec!["Rome", "Bern", "Oslo", "Rome", "Bern"]));
    batch(vec![Field::new("city", DataType::Utf8, true)], Some(vec![city]))
}

/// Indices with nominal attributes.
pub fn index_batch() -> RecordBatch {
    let attributes = json!({"type": "nominal", "vals": ["Bern", "Oslo", "Rome"], "name": "index"}).to_string();
    let field = Field::new("index", DataType::Float64, true)
        .with_metadata(HashMap::from([(ML_ATTR_KEY.to_owned(), attributes)]));
    let index: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 0.0, 1.0, 2.0, 0.0]));
    batch(vec![field], Some(vec![index]))
}

/// The output of a classifier with two classes: labels, predictions and probabilities.
pub fn scored_batch() -> RecordBatch {
    let mut rows = VectorBuilder::with_capacity(5);
    for p in [0.875, 0.25, 0.5, 0.0, 0.25] {
        rows.push_dense(&[1.0 - p, p]);
    }
    let fields = vec![
        Field::new("label", DataType::Int32, true),
        Field::new("prediction", DataType::Float64, true),
        vector_struct_field("probability", Some(&json!({"num_attrs": 2}))),
    ];
    let label: ArrayRef = Arc::new(Int32Array::from(vec![1, 0, 0, 0, 1]));
    let prediction: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 0.0, 1.0, 0.0, 0.0]));
    let probability: Option<ArrayRef> = rows.finish().ok().map(|array| Arc::new(array) as ArrayRef);
    batch(fields, probability.map(|probability| vec![label, prediction, probability]))
}
