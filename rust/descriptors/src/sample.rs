//! Rows for the samples of this crate's stages.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_schema::{Field, Schema};
use mmlrs_core::types::image_fields;

/// Four rows of an integer, a string and a float.
pub fn plain_rows() -> RecordBatch {
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("name", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("d")]))),
        ("score", Arc::new(Float64Array::from(vec![0.5, 1.5, 2.5, 3.5]))),
    ])
}

/// Four rows of an id and two lists of equal length: two elements, one, none, and two with one null.
pub fn list_rows() -> RecordBatch {
    let mut words = ListBuilder::new(StringBuilder::new());
    let mut marks = ListBuilder::new(Int32Builder::new());
    let rows = [vec![Some("a"), Some("b")], vec![Some("c")], vec![], vec![None, Some("e")]];
    for row in &rows {
        words.append_value(row.iter().copied());
        marks.append_value((0..row.len() as i32).map(Some));
    }
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("words", Arc::new(words.finish())),
        ("marks", Arc::new(marks.finish())),
    ])
}

/// Four small images in Spark's image struct, with an id.
pub fn image_rows() -> RecordBatch {
    let (height, width, channels) = (2_usize, 3_usize, 3_usize);
    let pixels: Vec<Vec<u8>> = (0..4_u8)
        .map(|row| (0..height * width * channels).map(|i| row.wrapping_mul(40).wrapping_add(i as u8 * 5)).collect())
        .collect();
    let ints = |v: usize| Arc::new(Int32Array::from(vec![v as i32; 4])) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec!["0.png", "1.png", "2.png", "3.png"])),
        ints(height),
        ints(width),
        ints(channels),
        ints(16),
        Arc::new(BinaryArray::from_iter_values(&pixels)),
    ];
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("image", Arc::new(StructArray::new(image_fields(), columns, None))),
    ])
}

/// Pictures of two cameras: two of one visit, one of a later visit, and one whose time is not valid.
pub fn burst_rows() -> RecordBatch {
    let times = ["2024-05-31 18:00:59", "2024-05-31 18:01:30", "2024-05-31 19:00:00", "0000:00:00 00:00:00"];
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("camera", Arc::new(StringArray::from(vec!["north", "north", "north", "south"]))),
        ("time", Arc::new(StringArray::from(times.to_vec()))),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let schema = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema.clone(), arrays).unwrap_or_else(|_| RecordBatch::new_empty(schema))
}

/// A number and a category that determine a label.
pub fn labelled_rows() -> RecordBatch {
    let age: ArrayRef = Arc::new(Float64Array::from(vec![20.0, 60.0, 25.0, 55.0, 30.0, 70.0]));
    let city: ArrayRef = Arc::new(StringArray::from(vec!["Rome", "Bern", "Rome", "Bern", "Bern", "Rome"]));
    let bought: ArrayRef = Arc::new(Int32Array::from(vec![0, 1, 0, 1, 0, 1]));
    batch(vec![("age", age), ("city", city), ("bought", bought)])
}

/// A number, a score and a label.
pub fn scored_rows() -> RecordBatch {
    let age: ArrayRef = Arc::new(Float64Array::from(vec![20.0, 60.0, 25.0, 55.0]));
    let score: ArrayRef = Arc::new(Float64Array::from(vec![0.0, 1.0, 0.0, 1.0]));
    let bought: ArrayRef = Arc::new(StringArray::from(vec!["no", "yes", "no", "yes"]));
    batch(vec![("age", age), ("score", score), ("bought", bought)])
}

/// A label, a score that determines it and a guess that does not, with enough rows for folds.
pub fn judged_rows() -> RecordBatch {
    let column = |values: [f64; 4]| Arc::new(Float64Array::from(values.repeat(6))) as ArrayRef;
    let (bought, guess, score) =
        (column([0.0, 1.0, 0.0, 1.0]), column([1.0, 1.0, 0.0, 0.0]), column([0.0, 1.0, 0.0, 1.0]));
    batch(vec![("bought", bought), ("guess", guess), ("score", score)])
}
