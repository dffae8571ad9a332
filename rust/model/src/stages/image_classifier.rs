//! `ImageClassifier`: the most probable classes of each image, with their names.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, put_blob,
};
use mmlrs_image::DecodeOptions;
use mmlrs_image::sample::binary_batch;
use mmlrs_macros::Stage;
use serde_json::json;

use crate::answers::{AnswerParams, answers_field};
use crate::image_network::classification::{Classification, ClassificationRequest};
use crate::image_network::model::Columns;
use crate::image_network::params::NetworkInput;
use crate::prepare::portable::portable;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_image_model;

/// Names the objects in images: the most probable classes of each image, with their probabilities.
///
/// The network is one that was trained to classify. Each image is decoded, resized to the network's input, normalized and run
/// through the network, all in one pass. The answer is an array of structs `class`, `description` and `probability`, the most
/// probable class first. `class` is an identifier such as "n02124075", and `description` a name such as "Egyptian cat". If
/// `labels` is set, both are the label. Without labels, `class` is the index of the class and `description` is null.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "image",
    body = extended,
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.image import ImageClassifier
from mmlrs.testing import sample_image

table = pa.table({\"image\": [sample_image(\"jpeg\"), sample_image(\"png\")]})
classifier = ImageClassifier(inputCol=\"image\", outputCol=\"objects\", model=\"efficientnet-lite0\", topK=3)
objects = classifier.transform(table).column(\"objects\").to_pylist()
assert [len(answers) for answers in objects] == [3, 3]
assert objects[0][0].keys() == {\"class\", \"description\", \"probability\"}
"
)]
pub struct ImageClassifier {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the column of answers to add.
    #[param(default = uid("_output"), role = output)]
    output_col: String,
    /// Name of a string column with the origin of each image, for error messages.
    #[param(role = input, accepts(text))]
    origin_col: Option<String>,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`efficientnet-lite0` from the extra `models`"))]
    model: ModelSource,
    #[param(group)]
    answers: AnswerParams,
    /// The output with the scores. If not set, the first output.
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
    plan: Once<Classification>,
}

impl ImageClassifier {
    fn plan(&self) -> Result<Arc<Classification>> {
        self.plan.get_or_make(|| {
            Classification::make(ClassificationRequest {
                stage: "ImageClassifier",
                param: "model",
                model: &self.model,
                answers: &self.answers,
                output: self.output_tensor_name.as_deref(),
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

impl Transform for ImageClassifier {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.columns().check(input)?;
        self.plan()?;
        Ok(vec![answers_field(&self.output_col)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let (scores, rejects) = plan.scores(block, self.columns(), &self.run, self.row_policy.handle_invalid, cx)?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(plan.answers(&scores)?))], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.network.model.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.notes())
    }
}

impl HasSample for ImageClassifier {
    fn sample() -> Sample {
        let data = binary_batch("image", 5, 48, 64);
        let model = put_blob(&sample_image_model());
        Sample::new(json!({"inputCol": "image", "outputCol": "objects", "model": {"sha256": model}, "topK": 2}), data)
    }
}
