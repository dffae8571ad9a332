//! `ImageHash`.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, HasSample, Output, Rejects, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::column::{Step, check_image_input, each_row, input_images};
use crate::hash::{Method, hex};
use crate::options::DecodeOptions;

/// Computes perceptual hashes, which are equal or nearly equal for images that look alike.
///
/// A hash has `size` x `size` bits and is a string of hexadecimal digits. The number of different bits of two hashes is their
/// distance: of the 64 bits of the default size, copies that were scaled or compressed differ in few, and other images in about
/// half.
///
/// The hashes are those of the Python package imagehash with Pillow 13, bit for bit, for images of 8 bits without an EXIF
/// orientation. The cost is that of decoding the image at full scale.
#[derive(Debug, Clone, Stage)]
#[stage(module = "image", kind = transformer, example = r#"import pyarrow as pa
from mmlrs.image import ImageHash
from mmlrs.testing import sample_image

table = pa.table({"image": pa.array([sample_image("jpeg"), sample_image("png")], pa.binary())})
hashes = ImageHash(inputCol="image", outputCol="hash").transform(table)["hash"].to_pylist()
assert [len(h) for h in hashes] == [16, 16]
"#)]
pub struct ImageHash {
    /// Name of the column of encoded image bytes, `struct(path, bytes)`, or images.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the string column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// How the bits are computed: "phash" compares the low frequencies of a cosine transform with their median, and tolerates
    /// most changes; "dhash" compares neighbours from left to right; "ahash" compares with the mean.
    #[param(default = "phash", one_of("phash", "dhash", "ahash"))]
    method: String,
    /// Side of the square of bits: the hash has `size` x `size` bits.
    #[param(default = 8, range(2, 64))]
    size: i64,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    policy: RowPolicy,
}

impl ImageHash {
    fn method(&self) -> Method {
        match self.method.as_str() {
            "dhash" => Method::Difference,
            "ahash" => Method::Average,
            _ => Method::Frequency,
        }
    }
}

impl Transform for ImageHash {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        Ok(vec![Field::new(&self.output_col, DataType::Utf8, true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let step = Step {
            stage: "ImageHash".to_owned(),
            column: self.input_col.clone(),
            handle_invalid: self.policy.handle_invalid,
            decode: self.decode,
            ops: Vec::new(),
            boxes: None,
        };
        let images = input_images(block, &self.input_col, None, *cx)?.then(step.clone());
        let (method, size) = (self.method(), self.size as usize);
        let mut rejects = Rejects::new(step.handle_invalid);
        let mut out = StringBuilder::new();
        each_row(&images, &step.decode, *cx, |row, image| match image {
            Ok(pixels) => {
                out.append_value(hex(&method.bits(pixels.view(), size)));
                Ok(())
            }
            Err(rejection) => {
                out.append_null();
                let error = rejection.0.at_stage(&step.stage).at_column(&step.column);
                rejects.reject(row, error.from_origin(images.origin(row)))
            }
        })?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(out.finish()))], invalid: rejects.into_rows() })
    }
}

impl HasSample for ImageHash {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "image", "outputCol": "out"}), crate::sample::binary_batch("image", 6, 24, 32))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::sample::sample_bytes;
    use crate::stage_tests::{build, cells, run};

    #[test]
    fn copies_are_near_and_other_images_far() -> Result<()> {
        let (image, copy) = (sample_bytes("png", 60, 80, 1)?, sample_bytes("jpeg", 60, 80, 1)?);
        let other = sample_bytes("png", 60, 80, 40)?;
        let data = cells(vec![Some(&image), Some(&copy), Some(&other), None])?;
        for method in ["phash", "dhash", "ahash"] {
            let params = json!({"method": method, "handleInvalid": "keep", "size": 8});
            let out = run(&build::<ImageHash>(&params)?, &data)?;
            let hashes = out.array.as_string::<i32>();
            let hash = |row| u64::from_str_radix(hashes.value(row), 16).unwrap_or_default();
            assert!((hash(0) ^ hash(1)).count_ones() < (hash(0) ^ hash(2)).count_ones(), "{method}");
            assert!(hashes.is_null(3));
            assert_eq!(out.invalid.len(), 1);
        }
        Ok(())
    }
}
