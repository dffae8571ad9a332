//! `ObjectDetector`: the objects in each image, with their places.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, put_blob,
};
use mmlrs_image::DecodeOptions;
use mmlrs_image::sample::binary_batch;
use mmlrs_macros::Stage;
use serde_json::json;

use crate::detection::detector::{Detector, DetectorRequest};
use crate::detection::found::{objects_array, objects_field};
use crate::detection::reader::Limits;
use crate::image_network::model::Columns;
use crate::image_network::params::NetworkInput;
use crate::prepare::portable::portable;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_detector;

/// Finds objects in images, and where they are.
///
/// The network is a YOLO (version 5 or later, or YOLOX) or a DETR (or RT-DETR), exported to ONNX. Each image is decoded, resized to
/// the network's input on a gray border, and run through the network. Of boxes of the same class that overlap, only the most
/// probable one is kept (greedy non-maximum suppression), unless the network does not need it: a DETR, or a YOLO with final boxes.
/// The answer is an array of structs `label`, `score`, `x`, `y`, `width` and `height`, the most probable object first; it is empty
/// if there is no object. `x` and `y` are the left upper corner. Positions and sizes are fractions of the image's width and height,
/// with the origin at its left upper corner. A box ends at the border of the image, and one that is outside is left out.
///
/// `Explode` makes a row of each object, and `ImageTransformer` crops images to their objects or draws them.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "image",
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.image import ObjectDetector
from mmlrs.testing import sample_detector, sample_image

table = pa.table({\"image\": [sample_image(\"jpeg\"), sample_image(\"png\")]})
detector = ObjectDetector(inputCol=\"image\", outputCol=\"objects\", model=sample_detector())
objects = detector.transform(table).column(\"objects\").to_pylist()
assert [found[\"label\"] for found in objects[0]] == [\"cat\", \"dog\"]
assert objects[0][0].keys() == {\"label\", \"score\", \"x\", \"y\", \"width\", \"height\"}
"
)]
pub struct ObjectDetector {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the column of objects to add.
    #[param(default = uid("_output"), role = output)]
    output_col: String,
    /// Name of a string column with the origin of each image, for error messages.
    #[param(role = input, accepts(text))]
    origin_col: Option<String>,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(required)]
    model: ModelSource,
    /// What the outputs hold. "auto" recognizes it by their shapes. "yolo": boxes and scores, [boxes, 5 + classes] (version 5) or
    /// [4 + classes, boxes] (version 8 and later), in pixels, or final boxes [boxes, 6] (version 10). "yolox": [boxes, 5 + classes],
    /// relative to the cells of a grid unless the network decodes them itself. "detr": class scores with "no object" as the last
    /// class, for a softmax, and boxes [boxes, 4]. "rtdetr": class scores for a sigmoid, and boxes [boxes, 4].
    #[param(default = "auto", one_of("auto", "yolo", "yolox", "detr", "rtdetr"))]
    layout: String,
    /// Names of the classes, in the order of the network's scores. If not set, those of the model's metadata.
    #[param()]
    labels: Option<Vec<String>>,
    /// Minimum score of an object.
    #[param(default = 0.25, range(0.0, 1.0))]
    score_threshold: f64,
    /// Maximum overlap (intersection over union) of two objects of the same class.
    #[param(default = 0.45, range(0.0, 1.0))]
    iou_threshold: f64,
    /// Maximum number of objects of an image: the most probable ones.
    #[param(default = 300, min(1))]
    max_detections: usize,
    /// Keep the aspect ratio of images, on a gray border, instead of stretching them. If not set, it is true for a YOLO and false for
    /// a DETR.
    #[param()]
    letterbox: Option<bool>,
    /// The output with the boxes and scores; with "detr" and "rtdetr", the one with the class scores. If not set, outputs are
    /// recognized by their shapes.
    #[param(non_empty)]
    output_tensor_name: Option<String>,
    #[param(group)]
    input: NetworkInput,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    run: RunParams,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<Detector>,
}

impl ObjectDetector {
    fn plan(&self) -> Result<Arc<Detector>> {
        self.plan.get_or_make(|| {
            Detector::make(DetectorRequest {
                model: &self.model,
                layout: &self.layout,
                labels: self.labels.as_deref(),
                output: self.output_tensor_name.as_deref(),
                letterbox: self.letterbox,
                input: &self.input,
                decode: self.decode,
                run: &self.run,
            })
        })
    }

    fn columns(&self) -> Columns<'_> {
        Columns { image: &self.input_col, origin: self.origin_col.as_deref() }
    }
}

impl Transform for ObjectDetector {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.columns().check(input)?;
        self.plan()?;
        Ok(vec![objects_field(&self.output_col)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let limits = Limits {
            score: self.score_threshold as f32,
            overlap: self.iou_threshold as f32,
            most: self.max_detections,
        };
        let (objects, rejects) =
            plan.objects(block, self.columns(), &self.run, self.row_policy.handle_invalid, limits, cx)?;
        let array = objects_array(&objects, &plan.labels)?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(array))], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.model.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.notes())
    }
}

impl HasSample for ObjectDetector {
    fn sample() -> Sample {
        let data = binary_batch("image", 5, 48, 64);
        let model = put_blob(&sample_detector());
        Sample::new(json!({"inputCol": "image", "outputCol": "objects", "model": {"sha256": model}}), data)
    }
}
