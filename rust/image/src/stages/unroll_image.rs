//! `UnrollImage`.

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Context, HasSample, Output, Result, RowPolicy, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use super::input_images;
use super::vector_array::{unroll, vector_field};
use crate::column::{Step, check_image_input};
use crate::options::DecodeOptions;

/// Unrolls every image into a vector of its pixel values.
///
/// The vector holds the planes one after the other, blue, green, red (and alpha) or gray alone, each row by row, with
/// values 0 to 255. Images of different sizes give vectors of different lengths; resize first where one length is
/// needed.
#[derive(Debug, Clone, Stage)]
#[stage(module = "image", kind = transformer, example = r#"import pyarrow as pa
from mmlrs.image import ImageTransformer, UnrollImage
from mmlrs.testing import sample_image

table = pa.table({"image": pa.array([sample_image("png")], pa.binary())})
resize = {"action": "resize", "height": 8, "width": 8}
table = ImageTransformer(inputCol="image", outputCol="small", stages=[resize]).transform(table)
table = UnrollImage(inputCol="small", outputCol="pixels").transform(table)
assert len(table.column("pixels")[0].as_py()) == 8 * 8 * 3
"#)]
pub struct UnrollImage {
    /// Name of the column that holds images, encoded image bytes, or `struct(path, bytes)`.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    policy: RowPolicy,
}

impl UnrollImage {
    fn step(&self) -> Step {
        Step {
            stage: "UnrollImage".to_owned(),
            column: self.input_col.clone(),
            handle_invalid: self.policy.handle_invalid,
            decode: self.decode,
            ops: Vec::new(),
        }
    }
}

impl Transform for UnrollImage {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        Ok(vec![vector_field(&self.output_col, None)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let images = input_images(block, &self.input_col, None, cx)?.then(self.step());
        unroll(&images, &self.step(), None, cx)
    }
}

impl HasSample for UnrollImage {
    fn sample() -> Sample {
        let params = json!({"inputCol": "image", "outputCol": "out"});
        Sample::new(params, crate::testing::image_batch("image", 6, 16, 24))
    }
}
