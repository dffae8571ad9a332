//! Small data for samples and tests.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::Schema;
use mmlrs_core::vector::{VectorBuilder, vector_struct_field};

/// Vectors of six slots, dense and sparse.
pub fn vector_batch() -> RecordBatch {
    let mut rows = VectorBuilder::with_capacity(4);
    rows.push_dense(&[0.0, 1.0, 0.0, 0.0, 2.5, 0.0]);
    rows.push_sparse(6, &[1], &[-3.0]);
    rows.push_sparse(6, &[], &[]);
    rows.push_sparse(6, &[1, 4], &[0.5, 7.0]);
    let schema = Arc::new(Schema::new(vec![vector_struct_field("counts", None)]));
    let columns = rows.finish().map(|array| vec![Arc::new(array) as ArrayRef]);
    columns
        .ok()
        .and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns).ok())
        .unwrap_or_else(|| RecordBatch::new_empty(schema))
}
