//! `ImageTransformer`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, Once, Operation, Output, Rejects, Result, RowPolicy, Sample, Transform,
    types,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::arrays::channels::one_number_of_channels;
use crate::arrays::tensor::{Element, Normalize, TensorArray};
use crate::column::input_images;
use crate::column::{Boxes, ImageColumn, Step, check_boxes, check_image_input, each_row};
use crate::ops::{Interpolation, Op, parse_ops};
use crate::options::{Alpha, DecodeOptions};
use crate::tensor::{ChannelOrder, Factor, normalization_doubt};

/// Applies a list of operations to every image, in one pass.
///
/// Operations are maps with the key `action` and their arguments: `resize(height, width)` or `resize(size, keepAspectRatio)`,
/// `crop(x, y, height, width)` or `crop(margin)`, `centerCrop(height, width)`, `colorFormat(code)`, `blur(height, width)`, `threshold(threshold,
/// maxVal, type)`, `gaussianKernel(apertureSize, sigma)`, `flip(code)`, `rotate(degrees)`, `medianBlur(apertureSize)`,
/// `bilateralFilter(diameter, sigmaColor, sigmaSpace)`, `canny(threshold1, threshold2, apertureSize)`, `equalizeHist`,
/// `warpAffine(matrix, height, width)`, `pad(top, bottom, left, right, value, mode)`, `erode(height, width, shape,
/// iterations)`, `dilate(height, width, shape, iterations)`, `morphologyEx(op, height, width, shape, iterations)`, `sobel(dx,
/// dy, apertureSize, scale, delta, absolute)`, `scharr(dx, dy, scale, delta, absolute)`, `laplacian(apertureSize, scale, delta,
/// absolute)`, `filter2D(kernel, delta)`, `adaptiveThreshold(maxVal, method, type, blockSize, C)`, `warpPerspective(matrix,
/// height, width)`, `clahe(clipLimit, tileGridSize)`, `inRange(lower, upper)`, `brightnessContrast(brightness, contrast)`, `drawBoxes(thickness, labels, color)`, and
/// as the last one `normalize(mean, std, scale)`, which returns a tensor. Each operation applies the OpenCV function of that
/// name. `brightnessContrast` computes pixel x contrast + brightness, rounded and clipped to 0 to 255. `rotate` rotates
/// counter-clockwise.
///
/// `crop` without a rectangle crops each image to its box in the column `boxCol`, widened on each side by `margin`, a fraction of
/// the box. `drawBoxes` draws the boxes of that column with their labels and scores, in a `color` (blue, green, red) or one color
/// per label. The sides of boxes are fractions of the image as it is before the operation.
///
/// The input can be images, encoded bytes or `struct(path, bytes)`. Encoded images are decoded here and only once. The output
/// is an image column, or with `toTensor` an array of channels x rows x columns. All tensors of a column have the same number
/// of channels. It is that of the last operation that fixes it by producing gray, BGR or BGRA images (`colorFormat`, `canny`,
/// `inRange`, `adaptiveThreshold`), else 3. Alpha is not a channel of a tensor.
#[derive(Debug, Clone, Stage)]
#[stage(module = "image", body = extended, kind = transformer, example = r#"import pyarrow as pa
from mmlrs.image import ImageTransformer
from mmlrs.testing import sample_image

table = pa.table({"image": pa.array([sample_image("jpeg")], pa.binary())})
stage = ImageTransformer(
    inputCol="image",
    outputCol="small",
    stages=[
        {"action": "resize", "height": 32, "width": 48},
        {"action": "flip", "code": 1},
    ],
)
small = stage.transform(table).column("small")[0].as_py()
assert (small["height"], small["width"], small["nChannels"]) == (32, 48, 3)
"#)]
pub struct ImageTransformer {
    /// Name of the column of images, encoded image bytes, or `struct(path, bytes)`.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// Name of a string column with the origin of each row, for `origin` and for errors. If not set, the image's own origin or
    /// path is used.
    #[param(role = input, accepts(text))]
    origin_col: Option<String>,
    /// Name of a column of boxes for `crop` and `drawBoxes`: structs with `x`, `y`, `width` and `height` as fractions of the image,
    /// and perhaps `label` and `score`, or lists of them, as `ObjectDetector` returns them. Of several boxes `crop` takes the one
    /// with the highest score.
    #[param(role = input, accepts(any))]
    box_col: Option<String>,
    /// The operations in order: maps with the key `action` and the operation's arguments.
    #[param(default = [])]
    stages: Vec<Operation>,
    /// The interpolation of `resize`, `rotate`, `warpAffine` and `warpPerspective`.
    #[param(default = "linear", one_of("linear", "area", "cubic", "nearest", "lanczos"))]
    interpolation: String,
    /// Return an array of channels x rows x columns of numbers instead of an image.
    #[param(default = false)]
    to_tensor: bool,
    /// Type of the numbers of a tensor.
    #[param(default = "float", one_of("float", "double"))]
    tensor_element_type: String,
    /// Order of the colour channels of a tensor.
    #[param(default = "rgb", one_of("rgb", "bgr", "RGB", "BGR"))]
    tensor_channel_order: String,
    /// Mean to subtract per channel of a tensor, in the tensor's channel order. A single value applies to all channels.
    #[param()]
    normalize_mean: Option<Vec<f64>>,
    /// Standard deviation to divide by per channel of a tensor, in the tensor's channel order. A single value applies to all
    /// channels.
    #[param()]
    normalize_std: Option<Vec<f64>>,
    /// Factor on the pixel values 0 to 255 of a tensor, applied before mean and deviation: 1/255 gives 0 to 1.
    #[param(above(0.0))]
    color_scale_factor: Option<f64>,
    /// Convert gray images to colour, after the operations. If not set, it is true for a tensor, unless the operations fix the
    /// number of channels, and false for images. If false, a gray image is a bad row of a tensor and stays gray as an image.
    #[param()]
    auto_convert_to_color: Option<bool>,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The checked and typed params.
struct Plan {
    step: Step,
    tensor: Option<(Element, ChannelOrder, Normalize)>,
}

impl ImageTransformer {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let (normalize, operations) = match self.stages.split_last() {
            Some((last, rest)) if last.action.eq_ignore_ascii_case("normalize") => (Some(last), rest),
            _ => (None, self.stages.as_slice()),
        };
        let interpolation = Interpolation::from_name(&self.interpolation).unwrap_or(Interpolation::Linear);
        let mut ops = parse_ops(operations, interpolation)?;
        if let (Some(at), None) = (ops.iter().position(Op::needs_boxes), &self.box_col) {
            return Err(no_boxes(at, &ops[at]));
        }
        let mut factors = Normalize {
            mean: self.normalize_mean.clone().unwrap_or_default(),
            std: self.normalize_std.clone().unwrap_or_default(),
            scale: self.color_scale_factor.unwrap_or(1.0),
        };
        if let Some(operation) = normalize {
            factors.read_operation(operations.len(), operation)?;
        }
        factors.check()?;
        let to_tensor = self.to_tensor || normalize.is_some();
        if to_tensor {
            let expand_gray = self.auto_convert_to_color.unwrap_or(true);
            let (channels, op) = one_number_of_channels(&ops, Alpha::Drop, expand_gray);
            factors.check_channels(channels.min(3))?;
            ops.push(op);
        } else if self.auto_convert_to_color == Some(true) {
            ops.push(Op::AutoColor);
        }
        let order = match self.tensor_channel_order.to_ascii_lowercase().as_str() {
            "bgr" => ChannelOrder::Bgr,
            _ => ChannelOrder::Rgb,
        };
        let element = if self.tensor_element_type == "double" { Element::Double } else { Element::Float };
        let step = Step {
            stage: "ImageTransformer".to_owned(),
            column: self.input_col.clone(),
            handle_invalid: self.policy.handle_invalid,
            decode: self.decode,
            ops,
            boxes: None,
        };
        let tensor = to_tensor.then_some((element, order, factors));
        Ok(Plan { step, tensor })
    }
}

impl Transform for ImageTransformer {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        if let Some(boxes) = &self.box_col {
            check_boxes(input, boxes)?;
        }
        let data_type = match &self.plan()?.tensor {
            Some((element, ..)) => element.data_type(),
            None => types::image_type(),
        };
        Ok(vec![Field::new(&self.output_col, data_type, true)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let boxes = self.box_col.as_ref().filter(|_| plan.step.ops.iter().any(Op::needs_boxes));
        let boxes = boxes.map(|name| Boxes::new(name, &block.column(name)?.to_arrow(cx)?)).transpose()?;
        let step = Step { boxes: boxes.map(Arc::new), ..plan.step.clone() };
        let images = input_images(block, &self.input_col, self.origin_col.as_deref(), *cx)?.then(step);
        let Some((element, order, factors)) = &plan.tensor else {
            return Ok(Output { columns: vec![Column::Native(Arc::new(images))], invalid: Vec::new() });
        };
        let mut rejects = Rejects::new(self.policy.handle_invalid);
        let array = self.tensors(&images, *cx, TensorArray::new(*element, *order, factors.clone()), &mut rejects)?;
        Ok(Output { columns: vec![array], invalid: rejects.into_rows() })
    }

    fn notes(&self) -> Result<Vec<String>> {
        let plan = self.plan()?;
        if self.box_col.is_some() && !plan.step.ops.iter().any(Op::needs_boxes) {
            return Ok(vec!["param `boxCol` is not used: no operation crops to a box or draws boxes".to_owned()]);
        }
        let Some((_, _, factors)) = &plan.tensor else {
            let set = [
                ("normalizeMean", self.normalize_mean.is_some()),
                ("normalizeStd", self.normalize_std.is_some()),
                ("colorScaleFactor", self.color_scale_factor.is_some()),
            ];
            let idle = set.iter().find(|(_, set)| *set);
            let note = |(name, _): &(&str, bool)| format!("param `{name}` has no effect without toTensor=True");
            return Ok(idle.map(note).into_iter().collect());
        };
        let doubt = normalization_doubt(
            Factor { value: &factors.mean, from: "normalizeMean (`mean` of normalize)" },
            Factor { value: &factors.std, from: "normalizeStd (`std` of normalize)" },
            Factor { value: factors.scale, from: "colorScaleFactor (`scale` of normalize)" },
        );
        Ok(doubt.into_iter().collect())
    }
}

impl ImageTransformer {
    fn tensors(
        &self,
        images: &ImageColumn,
        cx: Context,
        mut out: TensorArray,
        rejects: &mut Rejects,
    ) -> Result<Column> {
        let placed = |error: Error, row: usize| {
            error.at_stage("ImageTransformer").at_column(&self.input_col).from_origin(images.origin(row))
        };
        each_row(images, &self.decode, cx, |row, image| {
            let written = match image {
                Ok(pixels) => out.push(pixels.view()),
                Err(rejection) => Err(rejection.0),
            };
            written.or_else(|error| {
                out.push_null();
                rejects.reject(row, placed(error, row))
            })
        })?;
        Ok(Column::arrow(out.finish()?))
    }
}

/// The error for an operation on boxes without a column of boxes.
fn no_boxes(at: usize, op: &Op) -> Error {
    let (name, remedy) = (op.name(), "set boxCol to the column with the boxes");
    let or = if name == "crop" { ", or give x, y, height and width" } else { "" };
    Error::param("stages", format!("item {at} (`{name}`): needs a box for each image; {remedy}{or}"))
}

impl HasSample for ImageTransformer {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "image",
            "outputCol": "out",
            "stages": [{"action": "resize", "height": 24, "width": 32}, {"action": "flip", "code": 1}],
        });
        Sample::new(params, crate::sample::binary_batch("image", 6, 48, 64))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Float64Type, Int32Type};
    use arrow_array::{Array, ArrayRef};
    use mmlrs_core::{ErrorKind, Stage};

    use super::*;
    use crate::sample::{sample_bytes, sample_image};
    use crate::stage_tests::{build, cells, run, run_sample};

    /// The numbers of one row, flattened.
    fn numbers(array: &ArrayRef, row: usize) -> ArrayRef {
        let planes = array.as_list::<i32>().value(row);
        let rows = planes.as_list::<i32>().values().clone();
        rows.as_list::<i32>().values().clone()
    }

    #[test]
    fn the_sample_is_resized() -> Result<()> {
        let out = run_sample::<ImageTransformer>()?;
        let heights = out.array.as_struct().column(1).as_primitive::<Int32Type>().clone();
        assert!(out.invalid.is_empty() && heights.values().iter().all(|h| *h == 24));
        Ok(())
    }

    #[test]
    fn a_tensor_holds_normalized_planes() -> Result<()> {
        let png = sample_bytes("png", 2, 3, 1)?;
        let data = cells(vec![Some(&png)])?;
        let pixels = sample_image(2, 3, 1)?;
        let red = |i: usize| (f64::from(pixels.data()[i * 3 + 2]) / 255.0 - 0.5) / 0.25;
        let params = json!({
            "toTensor": true, "colorScaleFactor": 1.0 / 255.0, "normalizeMean": [0.5, 0.4, 0.3],
            "normalizeStd": [0.25], "tensorElementType": "double",
        });
        let out = run(&build::<ImageTransformer>(&params)?, &data)?.array;
        let values = numbers(&out, 0);
        let values = values.as_primitive::<Float64Type>();
        assert_eq!((values.len(), out.as_list::<i32>().value(0).len()), (18, 3));
        assert!((0..6).all(|i| (values.value(i) - red(i)).abs() < 1e-12));
        let operation = json!({"stages": [{"action": "normalize", "mean": [0.5, 0.4, 0.3], "std": [0.25],
            "scale": 1.0 / 255.0}], "tensorChannelOrder": "bgr"});
        let out = run(&build::<ImageTransformer>(&operation)?, &data)?.array;
        let values = numbers(&out, 0);
        let blue = (f64::from(pixels.data()[0]) / 255.0 - 0.5) / 0.25;
        assert!((f64::from(values.as_primitive::<Float32Type>().value(0)) - blue).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn bad_rows_of_a_tensor_follow_the_policy() -> Result<()> {
        let (png, gray) =
            (sample_bytes("png", 4, 4, 1)?, crate::encode(crate::ImageView::new(1, 1, 1, &[5])?, "png", 90)?);
        let data = cells(vec![Some(&png), None, Some(b"no picture"), Some(&gray)])?;
        let mut params = json!({
            "toTensor": true, "normalizeMean": [1, 2, 3], "handleInvalid": "keep", "autoConvertToColor": false,
        });
        let out = run(&build::<ImageTransformer>(&params)?, &data)?;
        let nulls: Vec<bool> = (0..4).map(|i| out.array.is_null(i)).collect();
        assert_eq!(nulls, [false, true, true, true]);
        assert!(out.invalid[2].reason.contains("autoConvertToColor"), "{:?}", out.invalid);
        params["autoConvertToColor"] = json!(true);
        assert_eq!(run(&build::<ImageTransformer>(&params)?, &data)?.invalid.len(), 2);
        params["handleInvalid"] = json!("error");
        let error = run(&build::<ImageTransformer>(&params)?, &data).err().map(|e| e.to_string());
        let expected = "ImageTransformer: column `image`, row 1 of the batch: value is null; handleInvalid=\"skip\" drops such rows";
        assert_eq!(error.as_deref(), Some(expected));
        Ok(())
    }

    #[test]
    fn a_tensor_has_one_number_of_planes() -> Result<()> {
        let gray = crate::encode(crate::ImageView::new(1, 1, 1, &[5])?, "png", 90)?;
        let bgr = crate::encode(crate::ImageView::new(1, 1, 3, &[1, 2, 3])?, "png", 90)?;
        let bgra = crate::encode(crate::ImageView::new(1, 1, 4, &[1, 2, 3, 4])?, "png", 90)?;
        for (stages, params, planes) in [
            (json!([]), json!({}), 3),
            (json!([]), json!({"alpha": "keep"}), 3),
            (json!([]), json!({"normalizeMean": [0.5]}), 3),
            (json!([{"action": "colorFormat", "code": "bgra"}]), json!({}), 3),
            (json!([{"action": "colorFormat", "code": "gray"}]), json!({}), 1),
            (json!([{"action": "colorFormat", "code": "gray"}, {"action": "flip"}]), json!({}), 1),
            (json!([{"action": "colorFormat", "code": "gray"}]), json!({"autoConvertToColor": false}), 1),
            (json!([{"action": "canny", "threshold1": 1, "threshold2": 2}]), json!({}), 1),
        ] {
            let mut all = json!({"toTensor": true, "stages": stages});
            for (name, value) in params.as_object().cloned().unwrap_or_default() {
                all[name] = value;
            }
            let stage = build::<ImageTransformer>(&all)?;
            for pictures in [vec![&gray, &bgr, &bgra], vec![&gray], vec![&bgra]] {
                let data = cells(pictures.into_iter().map(|p| Some(p.as_slice())).collect())?;
                let out = run(&stage, &data)?.array;
                let lengths: Vec<usize> = (0..out.len()).map(|i| out.as_list::<i32>().value(i).len()).collect();
                assert_eq!(lengths, vec![planes; out.len()], "{all}");
            }
        }
        Ok(())
    }

    #[test]
    fn wrong_params_are_named() -> Result<()> {
        let data = cells(vec![])?;
        for (params, name) in [
            (json!({"stages": [{"action": "spin"}]}), "stages"),
            (json!({"stages": [{"action": "normalize", "means": [1]}]}), "stages"),
            (json!({"normalizeStd": [0]}), "normalizeStd"),
            (json!({"normalizeMean": [1, 2]}), "normalizeMean"),
            (
                json!({"toTensor": true, "normalizeStd": [1, 2, 3], "stages": [{"action": "colorFormat", "code": "gray"}]}),
                "normalizeStd",
            ),
            (json!({"interpolation": "best"}), "interpolation"),
            (json!({"colorScaleFactor": 0}), "colorScaleFactor"),
            (json!({"maxPixels": 0}), "maxPixels"),
        ] {
            let error = build::<ImageTransformer>(&params).and_then(|stage| stage.output_fields(&data.schema())).err();
            let text = error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::InvalidParam));
            assert!(text.contains(&format!("param `{name}`")), "{text}");
        }
        Ok(())
    }

    #[test]
    fn the_origin_column_is_an_input() -> Result<()> {
        let stage = build::<ImageTransformer>(&json!({"originCol": "path"}))?;
        let names: Vec<String> = stage.inputs().into_iter().map(|(_, column)| column).collect();
        assert_eq!(names, ["image", "path"]);
        Ok(())
    }
}
