//! `ImageMetadata`.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, StructArray};
use arrow_buffer::NullBufferBuilder;
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, Output, Result, RowPolicy, Sample, Transform, columns_in_pieces,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::codec::{Metadata, metadata};
use crate::column::{Cell, Source, check_image_input};

/// Reads what image files say about themselves: format, size, and what the camera noted in EXIF. No pixel is decoded.
///
/// The column is a struct:
///
/// * `format`: "jpeg", "png", "webp", "gif", "bmp", "tiff", "pnm" or "tga"
/// * `height` and `width` in pixels, of the upright image, as mmlrs decodes it
/// * `bytes`: the size of the file
/// * `orientation`: the EXIF orientation, 1 to 8; 1 if the file states none
/// * `time`: when the image was taken, on the clock of the camera, without a time zone. It is `DateTimeOriginal`, or where that is
///   missing or zero `DateTimeDigitized`, then `DateTime`. An invalid time, such as one in year 0, is null.
/// * `make`, `model` and `serial` of the camera
/// * `latitude` and `longitude` in degrees, north and east positive, and `altitude` in metres
///
/// What a file does not state, or states wrongly, is null. A file that is not an image, or whose header is damaged, is a bad row.
#[derive(Debug, Clone, Stage)]
#[stage(module = "image", kind = transformer, example = r#"import pyarrow as pa
from mmlrs.image import ImageMetadata
from mmlrs.testing import sample_image

table = pa.table({"image": pa.array([sample_image("jpeg")], pa.binary())})
facts = ImageMetadata(inputCol="image", outputCol="facts").transform(table)["facts"][0].as_py()
assert (facts["format"], facts["orientation"], facts["time"]) == ("jpeg", 1, None)
"#)]
pub struct ImageMetadata {
    /// Name of the column of encoded image bytes or `struct(path, bytes)`.
    #[param(default = "image", role = input, accepts(binary, binary_file))]
    input_col: String,
    /// Name of the struct column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    #[param(group)]
    policy: RowPolicy,
}

fn members() -> Fields {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let member = |name: &str, kind: DataType| Field::new(name, kind, true);
    Fields::from(vec![
        member("format", DataType::Utf8),
        member("height", DataType::Int32),
        member("width", DataType::Int32),
        member("bytes", DataType::Int64),
        member("orientation", DataType::Int32),
        member("time", time),
        member("make", DataType::Utf8),
        member("model", DataType::Utf8),
        member("serial", DataType::Utf8),
        member("latitude", DataType::Float64),
        member("longitude", DataType::Float64),
        member("altitude", DataType::Float64),
    ])
}

/// Builds the column.
#[derive(Default)]
struct Facts {
    texts: [StringBuilder; 4],
    numbers: [Int32Builder; 3],
    bytes: Int64Builder,
    time: TimestampMicrosecondBuilder,
    places: [Float64Builder; 3],
    valid: Option<NullBufferBuilder>,
}

impl Facts {
    fn push(&mut self, row: Option<(Metadata, usize)>) {
        let valid = self.valid.get_or_insert_with(|| NullBufferBuilder::new(0));
        valid.append(row.is_some());
        let known = row.is_some();
        let (facts, bytes) = row.unwrap_or_default();
        let (height, width) = facts.upright_size();
        let texts = [known.then(|| facts.format.to_owned()), facts.make, facts.model, facts.serial];
        self.texts.iter_mut().zip(texts).for_each(|(builder, text)| builder.append_option(text));
        let numbers = [height, width, u32::from(facts.orientation)].map(|number| i32::try_from(number).ok());
        self.numbers.iter_mut().zip(numbers).for_each(|(builder, number)| {
            builder.append_option(number.filter(|_| known));
        });
        self.bytes.append_option(known.then_some(bytes as i64));
        self.time.append_option(facts.time);
        let (latitude, longitude) = facts.position.unzip();
        let places = [latitude, longitude, facts.altitude];
        self.places.iter_mut().zip(places).for_each(|(builder, place)| builder.append_option(place));
    }

    fn finish(self) -> Result<ArrayRef> {
        let [mut format, mut make, mut model, mut serial] = self.texts;
        let [mut height, mut width, mut orientation] = self.numbers;
        let [mut latitude, mut longitude, mut altitude] = self.places;
        let (mut bytes, mut time) = (self.bytes, self.time);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(format.finish()),
            Arc::new(height.finish()),
            Arc::new(width.finish()),
            Arc::new(bytes.finish()),
            Arc::new(orientation.finish()),
            Arc::new(time.finish()),
            Arc::new(make.finish()),
            Arc::new(model.finish()),
            Arc::new(serial.finish()),
            Arc::new(latitude.finish()),
            Arc::new(longitude.finish()),
            Arc::new(altitude.finish()),
        ];
        let nulls = self.valid.and_then(|mut valid| valid.finish());
        Ok(Arc::new(StructArray::try_new(members(), columns, nulls)?))
    }
}

impl Transform for ImageMetadata {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        Ok(vec![Field::new(&self.output_col, DataType::Struct(members()), true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let files = Source::new(&self.input_col, &block.column(&self.input_col)?.to_arrow(cx)?, None)?;
        let (columns, invalid) =
            columns_in_pieces(cx.threads, block.rows(), self.policy.handle_invalid, |rows, rejects| {
                let mut out = Facts::default();
                for row in rows {
                    let read = match files.cell(row)? {
                        Cell::Encoded(bytes) => metadata(bytes).map(|facts| (facts, bytes.len())),
                        _ => Err(Error::decode("value is null")),
                    };
                    match read {
                        Ok(facts) => out.push(Some(facts)),
                        Err(error) => {
                            out.push(None);
                            let error = error.at_column(&self.input_col).from_origin(files.origin(row));
                            rejects.reject(row, error)?;
                        }
                    }
                }
                Ok(vec![out.finish()?])
            })?;
        Ok(Output { columns: columns.into_iter().map(Column::arrow).collect(), invalid })
    }
}

impl HasSample for ImageMetadata {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "image", "outputCol": "out"}), crate::sample::binary_batch("image", 6, 24, 32))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use arrow_array::{Array, BinaryArray};

    use super::*;
    use crate::sample::{jpeg_with_orientation, sample_bytes};
    use crate::stage_tests::{build, cells, run};

    #[test]
    fn sizes_are_those_of_the_upright_image() -> Result<()> {
        let (jpeg, png) = (sample_bytes("jpeg", 12, 20, 1)?, sample_bytes("png", 7, 9, 1)?);
        let turned = jpeg_with_orientation(&jpeg, 6);
        let data = cells(vec![Some(&jpeg), Some(&turned), Some(&png), None, Some(b"<html>")])?;
        let out = run(&build::<ImageMetadata>(&json!({"handleInvalid": "keep"}))?, &data)?;
        let facts = out.array.as_struct();
        let number = |name: &str| facts.column_by_name(name).map(|column| column.as_primitive::<Int32Type>().clone());
        let all = |name| number(name).map(|column| column.iter().collect::<Vec<_>>()).unwrap_or_default();
        assert_eq!(all("height"), [Some(12), Some(20), Some(7), None, None]);
        assert_eq!(all("width"), [Some(20), Some(12), Some(9), None, None]);
        assert_eq!(all("orientation"), [Some(1), Some(6), Some(1), None, None]);
        assert_eq!((facts.null_count(), out.invalid.len()), (2, 2));
        Ok(())
    }

    #[test]
    fn no_rows_are_no_rows() -> Result<()> {
        let stage = build::<ImageMetadata>(&json!({}))?;
        let none: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![]));
        assert_eq!(run(&stage, &arrow_array::RecordBatch::try_from_iter([("image", none)])?)?.array.len(), 0);
        Ok(())
    }
}
