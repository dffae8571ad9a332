//! `DeepImageFeaturizer`: the name that Deep Learning Pipelines had for [`super::ImageFeaturizer`].

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, Error, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, VectorType,
    put_blob,
};
use mmlrs_image::DecodeOptions;
use mmlrs_image::sample::binary_batch;
use mmlrs_macros::Stage;
use serde_json::json;

use crate::image_network::input::{Pooling, TensorRequest};
use crate::image_network::model::Columns;
use crate::image_network::params::NetworkInput;
use crate::image_network::plan::{NoScores, Plan, Request};
use crate::prepare::portable::portable;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_image_model;

/// Turns images into feature vectors: `ImageFeaturizer` under the name and with the params of Deep Learning Pipelines.
///
/// `modelName` is an ordinary param, so a grid of `CrossValidator` can compare networks. The features are the input of the
/// network's last layer, pooled to a vector if they have rows and columns. `ImageFeaturizer` has more params, for instance to cut
/// more layers.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "image",
    body = extended,
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.image import DeepImageFeaturizer
from mmlrs.testing import sample_image

table = pa.table({\"image\": [sample_image(\"jpeg\"), sample_image(\"png\")]})
featurizer = DeepImageFeaturizer(inputCol=\"image\", outputCol=\"features\", modelName=\"efficientnet-lite0\")
assert len(featurizer.transform(table)[\"features\"][0].as_py()) == 1280
"
)]
pub struct DeepImageFeaturizer {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output)]
    output_col: String,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`efficientnet-lite0` from the extra `models`"))]
    model_name: ModelSource,
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
    plan: Once<Plan>,
}

impl DeepImageFeaturizer {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| {
            Plan::make(Request {
                model: &self.model_name,
                tensor: TensorRequest { headless: true, cut_output_layers: 1, feature: None, output: None },
                no_scores: NoScores { param: "modelName", is: "", advice: "another model" },
                pooling: Pooling::parse("auto"),
                input: &self.input,
                decode: self.decode,
                run: &self.run,
            })
            .map_err(|error| {
                // The stage has neither of these params.
                let unknown = ["featureTensorName", "cutOutputLayers"]
                    .iter()
                    .any(|name| error.blamed_param() == Some(name) || error.message().contains(name));
                if !unknown {
                    return error;
                }
                let message = "cannot be used: it is not known where its features are; use ImageFeaturizer, with \
                               featureTensorName set to the tensor with the features";
                Error::param("modelName", message)
            })
        })
    }

    fn columns(&self) -> Columns<'_> {
        Columns { image: &self.input_col, origin: None }
    }
}

impl Transform for DeepImageFeaturizer {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.columns().check(input)?;
        Ok(vec![self.output_type.field(&self.output_col, self.plan()?.size)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let (vectors, rejects) =
            self.plan()?.run(block, self.columns(), &self.run, self.row_policy.handle_invalid, cx)?;
        Ok(Output { columns: vec![vectors.into_column(self.output_type)?], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("modelName", portable(&self.plan()?.model.prepared, &self.model_name)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.notes())
    }
}

impl HasSample for DeepImageFeaturizer {
    fn sample() -> Sample {
        let data = binary_batch("image", 5, 48, 64);
        let model = put_blob(&sample_image_model());
        Sample::new(json!({"inputCol": "image", "outputCol": "features", "modelName": {"sha256": model}}), data)
    }
}
