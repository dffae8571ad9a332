//! `UnrollBinaryImage`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{Block, Context, Error, HasSample, Once, Output, Result, RowPolicy, Sample, Transform, VectorType};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::arrays::channels::channel_op;
use crate::arrays::vector::unroll;
use crate::column::input_images;
use crate::column::{Step, check_image_input};
use crate::ops::{Interpolation, Op, Resize, ResizeTo};
use crate::options::DecodeOptions;

/// Decodes images and unrolls each into a vector of its pixel values, optionally resized first.
///
/// The vector holds the planes one after the other: blue, green, red (and alpha), or gray alone, each row by row, with values 0
/// to 255. All images of a column have the same number of channels: `nChannels` if it is set, else 4 with `alpha="keep"`
/// (opaque if the image has no alpha), else 3. If `height` and `width` are set, all vectors have the same size, which the
/// column's metadata state.
#[derive(Debug, Clone, Stage)]
#[stage(module = "image", kind = transformer, example = r#"import pyarrow as pa
from mmlrs.image import UnrollBinaryImage
from mmlrs.testing import sample_image

table = pa.table({"image": pa.array([sample_image("jpeg"), sample_image("png")], pa.binary())})
stage = UnrollBinaryImage(inputCol="image", outputCol="pixels", height=8, width=8, nChannels=3)
vectors = stage.transform(table).column("pixels").to_pylist()
assert [len(v) for v in vectors] == [192, 192]
"#)]
pub struct UnrollBinaryImage {
    /// Name of the column of encoded image bytes, `struct(path, bytes)`, or images.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Height in pixels to resize to. Requires `width`.
    #[param(range(1, 65500))]
    height: Option<i64>,
    /// Width in pixels to resize to. Requires `height`.
    #[param(range(1, 65500))]
    width: Option<i64>,
    /// Channels to convert to: 1 (gray), 3 (BGR) or 4 (BGRA, opaque if the image has no alpha).
    #[param(range(1, 4))]
    n_channels: Option<i64>,
    /// Convert gray images to colour if `nChannels` is not set. Otherwise they are bad rows.
    #[param(default = true)]
    auto_convert_to_color: bool,
    /// The interpolation of the resize.
    #[param(default = "linear", one_of("linear", "area", "cubic", "nearest", "lanczos"))]
    interpolation: String,
    #[param(group)]
    output_type: VectorType,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The operations, and the size of the vectors if it is the same for all.
type Plan = (Step, Option<usize>);

impl UnrollBinaryImage {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let mut ops = Vec::new();
        let size = match (self.height, self.width) {
            (Some(height), Some(width)) => Some((height as usize, width as usize)),
            (None, None) => None,
            (Some(_), None) => return Err(Error::param("width", "must be set if `height` is set")),
            (None, Some(_)) => return Err(Error::param("height", "must be set if `width` is set")),
        };
        if let Some((height, width)) = size {
            let interpolation = Interpolation::from_name(&self.interpolation).unwrap_or(Interpolation::Linear);
            ops.push(Op::Resize(Resize { to: ResizeTo::Exact { height, width }, interpolation }));
        }
        let (channels, op) = channel_op(self.n_channels, self.decode.alpha, self.auto_convert_to_color)?;
        ops.push(op);
        let step = Step {
            stage: "UnrollBinaryImage".to_owned(),
            column: self.input_col.clone(),
            handle_invalid: self.policy.handle_invalid,
            decode: self.decode,
            ops,
            boxes: None,
        };
        Ok((step, size.map(|(height, width)| height * width * channels)))
    }
}

impl Transform for UnrollBinaryImage {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        Ok(vec![self.output_type.field(&self.output_col, self.plan()?.1)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let (step, size) = plan.as_ref();
        let images = input_images(block, &self.input_col, None, *cx)?.then(step.clone());
        unroll(&images, step, *size, self.output_type, *cx)
    }
}

impl HasSample for UnrollBinaryImage {
    fn sample() -> Sample {
        let params = json!({"inputCol": "image", "outputCol": "out", "height": 12, "width": 10, "nChannels": 3});
        Sample::new(params, crate::sample::binary_batch("image", 6, 24, 32))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::sample::sample_bytes;
    use crate::stage_tests::{build, cells, run, run_sample};

    #[test]
    fn one_size_is_announced_when_it_is_known() -> Result<()> {
        let out = run_sample::<UnrollBinaryImage>()?;
        assert_eq!(out.array.as_fixed_size_list().value_length(), 12 * 10 * 3);
        Ok(())
    }

    #[test]
    fn channels_convert_and_sizes_may_differ() -> Result<()> {
        let (a, b) = (sample_bytes("png", 3, 5, 1)?, sample_bytes("jpeg", 4, 2, 1)?);
        let data = cells(vec![Some(&a), Some(&b)])?;
        for (channels, lengths) in [(1, [15, 8]), (3, [45, 24]), (4, [60, 32])] {
            let out = run(&build::<UnrollBinaryImage>(&json!({"nChannels": channels}))?, &data)?;
            let lists = out.array.as_list::<i32>();
            assert_eq!([lists.value_length(0), lists.value_length(1)], lengths);
        }
        Ok(())
    }

    #[test]
    fn a_size_is_enough_to_know_the_length() -> Result<()> {
        let gray = crate::encode(crate::ImageView::new(2, 2, 1, &[9; 4])?, "png", 90)?;
        let (png, data) = (sample_bytes("png", 3, 5, 1)?, |cells_of| cells(cells_of));
        for (params, length) in [
            (json!({"height": 2, "width": 2}), 12),
            (json!({"height": 2, "width": 2, "alpha": "keep"}), 16),
            (json!({"height": 2, "width": 2, "nChannels": 1}), 4),
        ] {
            let out = run(&build::<UnrollBinaryImage>(&params)?, &data(vec![Some(&gray), Some(&png)])?)?;
            assert_eq!((out.array.as_fixed_size_list().value_length(), out.array.null_count()), (length, 0));
        }
        Ok(())
    }

    #[test]
    fn a_null_keeps_its_room_in_a_list_of_fixed_size() -> Result<()> {
        let png = sample_bytes("png", 3, 5, 1)?;
        let params = json!({"height": 2, "width": 2, "nChannels": 1, "handleInvalid": "keep"});
        let out = run(&build::<UnrollBinaryImage>(&params)?, &cells(vec![None, Some(&png), None])?)?;
        assert_eq!((out.array.len(), out.array.null_count(), out.invalid.len()), (3, 2, 2));
        Ok(())
    }

    #[test]
    fn height_and_width_go_together() -> Result<()> {
        let schema = cells(vec![])?.schema();
        for (params, name) in [
            (json!({"height": 3}), "width"),
            (json!({"width": 3}), "height"),
            (json!({"nChannels": 2}), "nChannels"),
            (json!({"height": 0, "width": 3}), "height"),
        ] {
            let stage = build::<UnrollBinaryImage>(&params);
            let error = stage.and_then(|stage| stage.output_fields(&schema)).err();
            let text = error.map(|e| e.to_string()).unwrap_or_default();
            assert!(text.contains(&format!("param `{name}`")), "{text}");
        }
        Ok(())
    }
}
