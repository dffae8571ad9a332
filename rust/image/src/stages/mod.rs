//! The image stages, one file each, and the two arrays they write.

mod image_transformer;
mod tensor_array;
mod unroll_binary_image;
mod unroll_image;
mod vector_array;

pub use image_transformer::ImageTransformer;
pub use unroll_binary_image::UnrollBinaryImage;
pub use unroll_image::UnrollImage;

use mmlrs_core::{Block, Context, Error, Result};

use crate::column::ImageColumn;
use crate::ops::Op;
use crate::options::Alpha;

/// The image column a stage reads, with origins from another column if one is named.
fn input_images(block: &Block, name: &str, origins: Option<&str>, cx: Context) -> Result<ImageColumn> {
    let origins = origins.map(|column| block.column(column)?.to_arrow(&cx)).transpose()?;
    ImageColumn::from_column(name, block.column(name)?, origins.as_ref())
}

/// The number of channels that all images of one column have: what the operations fix, else 4 where alpha is kept and 3
/// where it is not. The operation brings every image there, gray ones only where `expand_gray` is true. Nothing of it
/// hangs on the images.
fn one_number_of_channels(ops: &[Op], alpha: Alpha, expand_gray: bool) -> (usize, Op) {
    if let Some(fixed) = ops.iter().rev().find_map(Op::channels) {
        return (fixed, Op::Channels(fixed));
    }
    let channels = if alpha == Alpha::Keep { 4 } else { 3 };
    (channels, Op::Colour { channels, expand_gray })
}

/// The number of channels of unrolled images: the param `nChannels`, else as [`one_number_of_channels`] says.
fn channel_op(wanted: Option<i64>, alpha: Alpha, expand_gray: bool) -> Result<(usize, Op)> {
    match wanted {
        None => Ok(one_number_of_channels(&[], alpha, expand_gray)),
        Some(channels @ (1 | 3 | 4)) => Ok((channels as usize, Op::Channels(channels as usize))),
        Some(other) => Err(Error::param("nChannels", format!("must be 1, 3 or 4, got {other}"))),
    }
}

/// What the tests of every stage need.
#[cfg(test)]
mod tools {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};
    use mmlrs_core::{
        Block, Column, Context, HasSample, Materialized, ParamMap, Result, Stage, ThreadBudget, Transform,
    };
    use serde_json::{Map, Value};

    pub const CX: fn() -> Context = || Context { threads: ThreadBudget::new(2) };

    /// The stage with these params.
    pub fn build<S: Stage>(params: &Value) -> Result<S> {
        let values: Map<String, Value> = params.as_object().cloned().unwrap_or_default();
        S::from_params(&ParamMap::new("stage", values))
    }

    /// A table of one column `image` of encoded cells.
    pub fn cells(cells: Vec<Option<&[u8]>>) -> Result<RecordBatch> {
        let array: ArrayRef = Arc::new(BinaryArray::from_opt_vec(cells));
        let schema = Schema::new(vec![Field::new("image", DataType::Binary, true)]);
        Ok(RecordBatch::try_new(Arc::new(schema), vec![array])?)
    }

    /// Runs a stage of one output column and checks that the column is what was announced.
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
}
