//! `UnrollImage`.

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Context, HasSample, Output, Result, RowPolicy, Sample, Transform, VectorType};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::arrays::channels::channel_op;
use crate::arrays::vector::unroll;
use crate::column::input_images;
use crate::column::{Step, check_image_input};
use crate::options::DecodeOptions;

/// Unrolls every image into a vector of its pixel values.
///
/// The vector holds the planes one after the other: blue, green, red (and alpha), or gray alone, each row by row, with values 0
/// to 255. All images of a column have the same number of channels: `nChannels` if it is set, else 4 with `alpha="keep"`
/// (opaque if the image has no alpha), else 3. Images of different sizes give vectors of different lengths. Resize the images
/// first to get equal lengths.
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
    /// Name of the column of images, encoded image bytes, or `struct(path, bytes)`.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Channels to convert to: 1 (gray), 3 (BGR) or 4 (BGRA, opaque if the image has no alpha).
    #[param(range(1, 4))]
    n_channels: Option<i64>,
    /// Convert gray images to colour if `nChannels` is not set. Otherwise they are bad rows.
    #[param(default = true)]
    auto_convert_to_color: bool,
    #[param(group)]
    output_type: VectorType,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    policy: RowPolicy,
}

impl UnrollImage {
    fn step(&self) -> Result<Step> {
        Ok(Step {
            stage: "UnrollImage".to_owned(),
            column: self.input_col.clone(),
            handle_invalid: self.policy.handle_invalid,
            decode: self.decode,
            ops: vec![channel_op(self.n_channels, self.decode.alpha, self.auto_convert_to_color)?.1],
            boxes: None,
        })
    }
}

impl Transform for UnrollImage {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        self.step()?;
        Ok(vec![self.output_type.field(&self.output_col, None)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let step = self.step()?;
        let images = input_images(block, &self.input_col, None, *cx)?.then(step.clone());
        unroll(&images, &step, None, self.output_type, *cx)
    }
}

impl HasSample for UnrollImage {
    fn sample() -> Sample {
        let params = json!({"inputCol": "image", "outputCol": "out"});
        Sample::new(params, crate::sample::image_batch("image", 6, 16, 24))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;

    use super::*;
    use crate::stage_tests::{build, cells, run, run_sample};
    use crate::{ImageView, encode};

    #[test]
    fn planes_follow_one_another_and_black_is_zero() -> Result<()> {
        let png = encode(ImageView::new(1, 2, 3, &[0, 1, 2, 255, 128, 3])?, "png", 90)?;
        let out = run(&build::<UnrollImage>(&json!({}))?, &cells(vec![Some(&png)])?)?;
        let values = out.array.as_list::<i32>().value(0);
        assert_eq!(values.as_primitive::<Float32Type>().values().as_ref(), [0.0, 255.0, 1.0, 128.0, 2.0, 3.0]);
        Ok(())
    }

    #[test]
    fn images_of_different_sizes_and_bad_rows_stand_side_by_side() -> Result<()> {
        let (one, two) = (ImageView::new(1, 1, 1, &[9])?, ImageView::new(1, 2, 1, &[8, 7])?);
        let (one, two) = (encode(one, "png", 90)?, encode(two, "png", 90)?);
        let data = cells(vec![Some(&one), Some(b"?"), Some(&two)])?;
        let out = run(&build::<UnrollImage>(&json!({"handleInvalid": "keep", "nChannels": 1}))?, &data)?;
        let lists = out.array.as_list::<i32>();
        assert_eq!((lists.value_length(0), lists.value_length(1), lists.value_length(2)), (1, 0, 2));
        assert_eq!(out.invalid.len(), 1);
        let error = run(&build::<UnrollImage>(&json!({}))?, &data).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with("UnrollImage: column `image`, row 1 of the batch: not an image"), "{error}");
        Ok(())
    }

    #[test]
    fn gray_and_colour_have_vectors_of_one_length() -> Result<()> {
        let (gray, bgr) = (ImageView::new(1, 1, 1, &[9])?, ImageView::new(1, 1, 3, &[1, 2, 3])?);
        let bgra = encode(ImageView::new(1, 1, 4, &[1, 2, 3, 7])?, "png", 90)?;
        let (gray, bgr) = (encode(gray, "png", 90)?, encode(bgr, "png", 90)?);
        let numbers = |params: serde_json::Value, cells_of: Vec<Option<&[u8]>>| -> Result<Vec<f32>> {
            let out = run(&build::<UnrollImage>(&params)?, &cells(cells_of)?)?.array;
            Ok(out.as_list::<i32>().values().as_primitive::<Float32Type>().values().to_vec())
        };
        let all = || vec![Some(gray.as_slice()), Some(bgr.as_slice()), Some(bgra.as_slice())];
        assert_eq!(numbers(json!({}), all())?, [9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        let with_alpha = [9.0, 9.0, 9.0, 255.0, 1.0, 2.0, 3.0, 255.0, 1.0, 2.0, 3.0, 7.0];
        assert_eq!(numbers(json!({"alpha": "keep"}), all())?, with_alpha);
        assert_eq!(numbers(json!({"nChannels": 1, "autoConvertToColor": false}), all())?, [9.0, 2.0, 2.0]);
        // The result does not depend on the other images of a batch.
        assert_eq!(numbers(json!({}), vec![Some(&gray)])?, [9.0; 3]);
        let strict = json!({"autoConvertToColor": false, "handleInvalid": "keep"});
        let out = run(&build::<UnrollImage>(&strict)?, &cells(all())?)?;
        assert_eq!(out.invalid.len(), 1);
        assert!(out.invalid[0].reason.contains("autoConvertToColor=True"), "{:?}", out.invalid);
        Ok(())
    }

    #[test]
    fn the_sample_unrolls() -> Result<()> {
        let out = run_sample::<UnrollImage>()?;
        assert_eq!(out.array.as_list::<i32>().value_length(0), 16 * 24 * 3);
        Ok(())
    }
}
