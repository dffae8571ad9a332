//! Helpers for the tests of every stage.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, HasSample, Materialized, ParamMap, Result, Stage, ThreadBudget, Transform};
use serde_json::{Map, Value};

pub const CX: fn() -> Context = || Context { threads: ThreadBudget::new(2) };

/// The stage with these params.
pub fn build<S: Stage>(params: &Value) -> Result<S> {
    let values: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
    S::from_params(&ParamMap::new("stage", values))
}

/// A table with one column `image` of encoded cells.
pub fn cells(cells: Vec<Option<&[u8]>>) -> Result<RecordBatch> {
    let array: ArrayRef = Arc::new(BinaryArray::from_opt_vec(cells));
    let schema = Schema::new(vec![Field::new("image", DataType::Binary, true)]);
    Ok(RecordBatch::try_new(Arc::new(schema), vec![array])?)
}

/// Runs a stage with one output column and checks that the column is as declared.
pub fn run<S: Stage + Transform>(stage: &S, data: &RecordBatch) -> Result<Materialized> {
    let fields = stage.output_fields(&data.schema())?;
    let schema = data.schema();
    let columns = schema.fields().iter().zip(data.columns());
    let columns = columns.map(|(f, c)| (f.name().clone(), Column::arrow(c.clone()))).collect();
    let mut output = stage.transform(&Block::new(data.num_rows(), columns)?, &CX())?;
    assert_eq!((fields.len(), output.columns.len()), (1, 1));
    assert_eq!(output.columns[0].field(fields[0].name()), fields[0]);
    match output.columns.remove(0) {
        Column::Arrow(array, _) => Ok(Materialized { array, invalid: output.invalid }),
        Column::Native(column) => column.materialize(&CX()),
    }
}

/// Runs the stage's own sample.
pub fn run_sample<S: Stage + Transform + HasSample>() -> Result<Materialized> {
    let sample = S::sample();
    assert!(sample.data.num_rows() >= 4);
    run(&build::<S>(&Value::Object(sample.params))?, &sample.data)
}
