//! Converts image columns to Arrow: rows run in parallel, a few at a time.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, StringBuilder};
use arrow_array::{ArrayRef, BinaryArray, StructArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use mmlrs_core::{Context, Error, Materialized, NativeColumn, Result, RowError, parallel_map_beside, types};

use super::evaluate::Evaluated;
use super::images::ImageColumn;
use crate::image::{ImageView, mode_of};
use crate::options::DecodeOptions;

/// Minimum number of rows per thread that are computed together.
const ROWS_PER_THREAD: usize = 2;
/// Number of rows per thread that are computed together if the images are small.
const SMALL_ROWS_PER_THREAD: usize = 32;
/// Bytes of images that are computed together, unless they are large.
const BYTES_TOGETHER: usize = 8 << 20;

/// Calls `each` with every row of a column, in order. Rows are computed in parallel within the budget, and only a few images
/// exist at a time: those that are read, and the next ones, which are computed meanwhile.
pub fn each_row(
    images: &ImageColumn,
    fallback: &DecodeOptions,
    cx: Context,
    mut each: impl FnMut(usize, Evaluated<'_>) -> Result<()>,
) -> Result<()> {
    let (rows, threads) = (images.rows(), cx.threads.get());
    let mut count = if threads == 1 { 1 } else { threads * ROWS_PER_THREAD };
    let (mut first, mut next, mut ready) = (0, 0, Vec::new());
    while next < rows || !ready.is_empty() {
        let ahead = count.min(rows - next);
        let read = || {
            ready.drain(..).enumerate().try_for_each(|(i, row): (usize, Result<Evaluated<'_>>)| each(first + i, row?))
        };
        let (computed, done) = parallel_map_beside(cx.threads, ahead, |i| images.evaluate(next + i, fallback), read)?;
        done?;
        if threads > 1 && ahead > 0 {
            let bytes = computed.iter().flatten().flatten().map(|pixels| pixels.view().data().len()).sum::<usize>();
            let together = BYTES_TOGETHER / (bytes / ahead).max(1);
            count = together.clamp(threads * ROWS_PER_THREAD, threads * SMALL_ROWS_PER_THREAD);
        }
        (first, next, ready) = (next, next + ahead, computed);
    }
    Ok(())
}

impl NativeColumn for ImageColumn {
    fn len(&self) -> usize {
        self.rows()
    }

    fn data_type(&self) -> DataType {
        types::image_type()
    }

    fn materialize(&self, cx: &Context) -> Result<Materialized> {
        to_structs(self, *cx)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Builds the array of image structs.
struct Builder {
    origin: StringBuilder,
    height: Int32Builder,
    width: Int32Builder,
    channels: Int32Builder,
    mode: Int32Builder,
    data: Vec<u8>,
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
}

impl Builder {
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self {
            origin: StringBuilder::new(),
            height: Int32Builder::with_capacity(rows),
            width: Int32Builder::with_capacity(rows),
            channels: Int32Builder::with_capacity(rows),
            mode: Int32Builder::with_capacity(rows),
            data: Vec::new(),
            offsets,
            valid: NullBufferBuilder::new(rows),
        }
    }

    fn push(&mut self, origin: Option<&str>, image: ImageView<'_>) -> Result<()> {
        let end = self.data.len() + image.data().len();
        let offset = i32::try_from(end).map_err(|_| Error::batch_too_large("the decoded images", "bytes"))?;
        self.data.extend_from_slice(image.data());
        self.offsets.push(offset);
        self.origin.append_value(origin.unwrap_or_default());
        self.height.append_value(image.height() as i32);
        self.width.append_value(image.width() as i32);
        self.channels.append_value(image.channels() as i32);
        self.mode.append_value(mode_of(image.channels()));
        self.valid.append_non_null();
        Ok(())
    }

    fn push_null(&mut self) {
        self.offsets.push(self.data.len() as i32);
        self.origin.append_null();
        self.height.append_null();
        self.width.append_null();
        self.channels.append_null();
        self.mode.append_null();
        self.valid.append_null();
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let nulls = self.valid.finish();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.offsets));
        let data = BinaryArray::try_new(offsets, Buffer::from_vec(self.data), nulls.clone())?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.origin.finish()),
            Arc::new(self.height.finish()),
            Arc::new(self.width.finish()),
            Arc::new(self.channels.finish()),
            Arc::new(self.mode.finish()),
            Arc::new(data),
        ];
        Ok(Arc::new(StructArray::try_new(types::image_fields(), columns, nulls)?))
    }
}

/// Spark's image structs.
pub fn to_structs(images: &ImageColumn, cx: Context) -> Result<Materialized> {
    let rows = images.rows();
    let fallback = DecodeOptions::default();
    let mut builder = Builder::new(rows);
    let mut invalid = Vec::new();
    each_row(images, &fallback, cx, |row, image| {
        match image {
            Ok(pixels) => builder.push(images.origin(row), pixels.view())?,
            Err(rejection) => {
                builder.push_null();
                invalid.push(RowError { row, reason: rejection.0.reason() });
            }
        }
        Ok(())
    })?;
    Ok(Materialized { array: builder.finish()?, invalid })
}
