//! Dense vectors of pixels, filled image by image: plane after plane, values 0 to 255.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use mmlrs_core::{Column, Context, Error, Output, Rejects, Result, VectorType, types};

use crate::column::{ImageColumn, Step, each_row};
use crate::image::ImageView;

/// Unrolls every image of a column. Under the policy of `step`, a bad row is null or the error.
pub fn unroll(images: &ImageColumn, step: &Step, size: Option<usize>, form: VectorType, cx: Context) -> Result<Output> {
    let mut rejects = Rejects::new(step.handle_invalid);
    let mut out = VectorArray::new(size);
    each_row(images, &step.decode, cx, |row, image| {
        let written = match image {
            Ok(pixels) => out.push(pixels.view()),
            Err(rejection) => Err(rejection.0),
        };
        written.or_else(|error| {
            out.push_null();
            let error = error.at_stage(&step.stage).at_column(&step.column);
            rejects.reject(row, error.from_origin(images.origin(row)))
        })
    })?;
    Ok(Output { columns: vec![out.finish(form)?], invalid: rejects.into_rows() })
}

/// Builds the column.
struct VectorArray {
    size: Option<usize>,
    values: Vec<f32>,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

impl VectorArray {
    /// Vectors that all have `size` elements, if it is set.
    fn new(size: Option<usize>) -> Self {
        Self { size, values: Vec::new(), ends: vec![0], valid: NullBufferBuilder::new(0) }
    }

    /// Appends the planes of an image: gray, or blue, green, red, alpha. After an error nothing is appended.
    fn push(&mut self, image: ImageView<'_>) -> Result<()> {
        let count = image.data().len();
        if let Some(size) = self.size.filter(|size| *size != count) {
            return Err(Error::runtime(format!("the image has {count} values, expected {size}")));
        }
        let end =
            i32::try_from(self.values.len() + count).map_err(|_| Error::batch_too_large("the vectors", "numbers"))?;
        let channels = image.channels();
        for channel in 0..channels {
            let plane = image.data().iter().skip(channel).step_by(channels);
            self.values.extend(plane.map(|x| f32::from(*x)));
        }
        self.ends.push(end);
        self.valid.append_non_null();
        Ok(())
    }

    fn push_null(&mut self) {
        // A list of fixed size has values even if it is null.
        self.values.resize(self.values.len() + self.size.unwrap_or(0), 0.0);
        self.ends.push(self.values.len() as i32);
        self.valid.append_null();
    }

    fn finish(mut self, form: VectorType) -> Result<Column> {
        let nulls = self.valid.finish();
        let rows = self.ends.len() - 1;
        let field = form.field("", self.size);
        let values: ArrayRef = Arc::new(Float32Array::from(self.values));
        let array: ArrayRef = if let Some(size) = self.size {
            Arc::new(FixedSizeListArray::try_new_with_length(types::float_item(), size as i32, values, nulls, rows)?)
        } else {
            let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
            Arc::new(ListArray::try_new(types::float_item(), offsets, values, nulls)?)
        };
        debug_assert_eq!(array.data_type(), field.data_type());
        Ok(Column::Arrow(array, field.metadata().clone()))
    }
}
