//! `DeepImagePredictor`: the name that Deep Learning Pipelines had for [`super::ImageClassifier`].

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, VectorType,
    put_blob,
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

/// Predicts the classes of images: `ImageClassifier` under the name and with the params of Deep Learning Pipelines.
///
/// The result is a vector with the probability of every class, or with `decodePredictions` an array of the `topK` most probable
/// classes, as structs `class`, `description` and `probability`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "image",
    body = extended,
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.image import DeepImagePredictor
from mmlrs.testing import sample_image

table = pa.table({\"image\": [sample_image(\"jpeg\")]})
predictor = DeepImagePredictor(inputCol=\"image\", outputCol=\"labels\", modelName=\"efficientnet-lite0\",
                               decodePredictions=True, topK=10)
assert len(predictor.transform(table)[\"labels\"][0].as_py()) == 10
"
)]
pub struct DeepImagePredictor {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the column to add.
    #[param(default = uid("_output"), role = output)]
    output_col: String,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`efficientnet-lite0` from the extra `models`"))]
    model_name: ModelSource,
    /// Answer with the names of the most probable classes. Otherwise with the probabilities of all classes.
    #[param(default = false)]
    decode_predictions: bool,
    #[param(group)]
    answers: AnswerParams,
    #[param(group)]
    output_type: VectorType,
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

impl DeepImagePredictor {
    fn plan(&self) -> Result<Arc<Classification>> {
        self.plan.get_or_make(|| {
            Classification::make(ClassificationRequest {
                stage: "DeepImagePredictor",
                param: "modelName",
                model: &self.model_name,
                answers: &self.answers,
                output: None,
                input: &self.input,
                decode: self.decode,
                run: &self.run,
            })
        })
    }

    fn columns(&self) -> Columns<'_> {
        Columns { image: &self.input_col, origin: None }
    }
}

impl Transform for DeepImagePredictor {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.columns().check(input)?;
        let plan = self.plan()?;
        Ok(vec![if self.decode_predictions {
            answers_field(&self.output_col)
        } else {
            self.output_type.field(&self.output_col, plan.network.size)
        }])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let (scores, rejects) = plan.scores(block, self.columns(), &self.run, self.row_policy.handle_invalid, cx)?;
        let column = if self.decode_predictions {
            Column::arrow(Arc::new(plan.answers(&scores)?))
        } else {
            plan.probabilities(scores).into_column(self.output_type)?
        };
        Ok(Output { columns: vec![column], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("modelName", portable(&self.plan()?.network.model.prepared, &self.model_name)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        let plan = self.plan()?;
        Ok(if self.decode_predictions { plan.notes() } else { plan.network.notes() })
    }
}

impl HasSample for DeepImagePredictor {
    fn sample() -> Sample {
        let data = binary_batch("image", 5, 48, 64);
        let model = put_blob(&sample_image_model());
        let params = json!({
            "inputCol": "image", "outputCol": "labels", "modelName": {"sha256": model}, "decodePredictions": true, "topK": 2,
        });
        Sample::new(params, data)
    }
}
