//! `ImageFeaturizer`: decodes, resizes, normalizes and infers in one pass over the batch.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, VectorType, put_blob,
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

/// Turns images into feature vectors, or class scores, with a neural network.
///
/// Each image is decoded, resized to the network's input, normalized and run through the network, all in one pass. The next
/// mini-batch is decoded while the network runs the current one. With `headless` the last layers are removed, and their input
/// is the feature vector. These layers are named in the model's metadata; without metadata they are the last fully connected
/// layer or convolution of the graph. A spatial feature tensor (channels x rows x columns) is pooled.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "image",
    body = extended,
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.image import ImageFeaturizer
from mmlrs.testing import sample_image

table = pa.table({\"image\": [sample_image(\"jpeg\"), sample_image(\"png\")]})
out = ImageFeaturizer(inputCol=\"image\", outputCol=\"features\").transform(table)
assert out.column_names == [\"image\", \"features\"]
"
)]
pub struct ImageFeaturizer {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", role = input, accepts(image, binary, binary_file))]
    input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output)]
    output_col: String,
    /// Name of a string column with the origin of each image, for error messages.
    #[param(role = input, accepts(text))]
    origin_col: Option<String>,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`efficientnet-lite0` from the extra `models`"))]
    model: ModelSource,
    /// Remove the last layers and return features (true), or return the scores (false). If false, a network without class
    /// scores is an error.
    #[param(default = true)]
    headless: bool,
    /// Number of layers to remove from the output. 0 keeps the complete network.
    #[param(default = 1, min(0))]
    cut_output_layers: usize,
    /// The tensor with the features, if neither the metadata nor the graph identify it.
    #[param(non_empty)]
    feature_tensor_name: Option<String>,
    /// The output with the scores. If not set, the first output.
    #[param(non_empty)]
    output_tensor_name: Option<String>,
    /// How to pool features with rows and columns: "avg" takes the mean of each channel, "max" its largest value, "grid" its means
    /// over 2 x 2 parts of the image, which keeps where something is, "none" all values; "auto" means "avg".
    #[param(default = "auto", one_of("auto", "avg", "max", "grid", "none"))]
    pooling: String,
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

/// The words for `headless=False` and a network without scores.
const NO_SCORES: NoScores = NoScores {
    param: "headless",
    is: "is False, but ",
    advice: "headless=True for its features, or a model that was trained to classify",
};

impl ImageFeaturizer {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| {
            Plan::make(Request {
                model: &self.model,
                tensor: TensorRequest {
                    headless: self.headless,
                    cut_output_layers: self.cut_output_layers,
                    feature: self.feature_tensor_name.as_deref(),
                    output: self.output_tensor_name.as_deref(),
                },
                no_scores: NO_SCORES,
                pooling: Pooling::parse(&self.pooling),
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

impl Transform for ImageFeaturizer {
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
        Ok(vec![("model", portable(&self.plan()?.model.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.notes())
    }
}

impl HasSample for ImageFeaturizer {
    fn sample() -> Sample {
        let data = binary_batch("image", 5, 48, 64);
        let model = put_blob(&sample_image_model());
        Sample::new(json!({"inputCol": "image", "outputCol": "features", "model": {"sha256": model}}), data)
    }
}

#[cfg(test)]
mod tests;
