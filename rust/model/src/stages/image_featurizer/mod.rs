//! `ImageFeaturizer`: decodes, resizes, normalizes and infers in one pass over the batch.

mod batches;
mod model;
mod normalization;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Cache, Context, Error, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, Transform, put_blob,
    types,
};
use mmlrs_image::{
    ChannelOrder, DecodeOptions, ImageColumn, Interpolation, TensorPrep, check_image_input, sample::binary_batch,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::graph::prepared::Prepared;
use crate::prepare::portable::portable;
use crate::prepare::prepare;
use crate::prepare::probe;
use crate::runtime::run_params::RunParams;
use crate::runtime::session::{SessionOptions, open};
use crate::sample::sample_image_model;
use batches::Network;
use model::{ImageInput, Pooling, TensorRequest, image_input, image_meta, requested_tensor};
use normalization::{Normalization, NormalizationParams};

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
    /// The ONNX network: a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("the network that ships with the package"))]
    model: ModelSource,
    /// Remove the last layers and return features (true), or return the scores (false). If false, a network without class
    /// scores, such as the one that ships with the package, is an error.
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
    /// Number of rows of the network's input, for networks that accept any size.
    #[param(min(1))]
    image_height: Option<usize>,
    /// Number of columns of the network's input, for networks that accept any size.
    #[param(min(1))]
    image_width: Option<usize>,
    /// Mean of each channel, subtracted after scaling. If not set, that of the model's metadata, else ImageNet's 0.485,
    /// 0.456, 0.406, or 0 for a network with an integer input, which reads pixel values.
    #[param()]
    channel_normalization_means: Option<Vec<f64>>,
    /// Standard deviation of each channel, by which values are divided after the mean is subtracted. If not set, that of the
    /// model's metadata, else ImageNet's 0.229, 0.224, 0.225, or 1 for a network with an integer input.
    #[param()]
    channel_normalization_stds: Option<Vec<f64>>,
    /// Factor on the pixel values 0 to 255. If not set, that of the model's metadata, else 1/255, or 1 for a network with an
    /// integer input.
    #[param(above(0.0))]
    color_scale_factor: Option<f64>,
    /// Order of the network's channels. If not set, that of the model's metadata, else "rgb".
    #[param(one_of("rgb", "bgr"))]
    channel_order: Option<String>,
    /// How to pool features with rows and columns: "avg" takes the mean of each channel, "max" its largest value, "none" all
    /// values; "auto" means "avg".
    #[param(default = "auto", one_of("auto", "avg", "max", "none"))]
    pooling: String,
    /// Convert gray images to colour if the network expects three channels. Otherwise they are bad rows.
    #[param(default = true)]
    auto_convert_to_color: bool,
    /// How images are resized.
    #[param(default = "area", one_of("linear", "area", "cubic", "nearest", "lanczos"))]
    interpolation: String,
    #[param(group)]
    decode: DecodeOptions,
    #[param(group)]
    run: RunParams,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The combination of the params and the model.
struct Plan {
    prepared: Arc<Prepared>,
    input: ImageInput,
    prep: TensorPrep,
    /// Why the normalization is implausible.
    doubt: Option<String>,
    output: String,
    pooling: Pooling,
    size: usize,
}

impl ImageFeaturizer {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let (info, meta) = image_meta(&self.model)?;
        if info.inputs.len() == 1 {
            // Reports a network that is not for images before any of its layers is searched for.
            image_input(&info)?;
        }
        let request = TensorRequest {
            headless: self.headless,
            cut_output_layers: self.cut_output_layers,
            feature: self.feature_tensor_name.as_deref(),
            output: self.output_tensor_name.as_deref(),
        };
        let output = requested_tensor(&self.model, request)?;
        let prepared = prepare(&self.model, std::slice::from_ref(&output))?;
        self.run.check()?;
        let input = image_input(&prepared.info)?;
        let params = NormalizationParams {
            means: self.channel_normalization_means.as_deref(),
            stds: self.channel_normalization_stds.as_deref(),
            scale: self.color_scale_factor,
        };
        let factors = Normalization::of(params, &meta, &input)?;
        let prep = self.prep(&input, &meta, &factors)?;
        // Scores are a vector already.
        let pooling = if self.headless { Pooling::parse(&self.pooling) } else { Pooling::None };
        let info = prepared.info.output(&output).ok_or_else(|| Error::model(format!("no output `{output}`")))?;
        self.check_output(info, &meta)?;
        let size = match pooling.known_size(info) {
            Some(size) => size,
            None => pooling.size(&learned_shape(&prepared, info, &prep)?),
        };
        if !self.headless && known_shape(info).is_none() {
            check_scores(&output, &learned_shape(&prepared, info, &prep)?)?;
        }
        Ok(Plan { prepared, input, prep, doubt: factors.doubt, output, pooling, size })
    }

    /// Returns an error if the output does not hold floats or, for class scores, if it does not hold scores.
    fn check_output(&self, output: &ValueInfo, meta: &ImageMeta) -> Result<()> {
        let (name, words) = (&output.name, output.kind.words());
        let floats = match &output.kind {
            ValueKind::Other(words) => words == "unknown",
            _ => output.element().is_some_and(Element::is_float),
        };
        if !floats {
            let param = if self.headless { "featureTensorName" } else { "outputTensorName" };
            return Err(Error::model(format!(
                "output `{name}` is a {words}, not floats; set {param} to another tensor"
            )));
        }
        if self.headless {
            return Ok(());
        }
        if meta.classifier == Some(false) || meta.feature_tensor.as_ref() == Some(name) {
            return Err(Error::param(
                "headless",
                "is False, but the network has no class scores according to its metadata; use headless=True for its features, or \
                 a model that was trained to classify",
            ));
        }
        known_shape(output).map_or(Ok(()), |shape| check_scores(name, &shape))
    }

    fn prep(&self, input: &ImageInput, meta: &ImageMeta, factors: &Normalization) -> Result<TensorPrep> {
        let narrowed = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        let side = |name: &str, fixed: Option<usize>, param: Option<usize>, meta: Option<usize>| match (fixed, param) {
            (Some(fixed), Some(param)) if fixed != param => {
                Err(Error::param(name, format!("is {param}, but the network only accepts images of {fixed}")))
            }
            (Some(fixed), _) => Ok(fixed),
            (None, Some(param)) => Ok(param),
            (None, None) => meta.ok_or_else(|| {
                Error::param(name, "must be set: the network accepts images of any size, and its metadata has none")
            }),
        };
        let order = match self.channel_order.as_ref().or(meta.channel_order.as_ref()).map(String::as_str) {
            Some("bgr") => ChannelOrder::Bgr,
            _ => ChannelOrder::Rgb,
        };
        let prep = TensorPrep {
            height: side("imageHeight", input.height, self.image_height, meta.height)?,
            width: side("imageWidth", input.width, self.image_width, meta.width)?,
            mean: narrowed(&factors.means),
            std: narrowed(&factors.stds),
            scale: factors.scale as f32,
            channel_order: order,
            channels: input.channels,
            layout: input.layout,
            interpolation: Interpolation::from_name(&self.interpolation).unwrap_or(Interpolation::Area),
            auto_convert_to_color: self.auto_convert_to_color,
            decode: self.decode,
        };
        prep.check()?;
        Ok(prep)
    }
}

/// Runs one synthetic image to determine the row shape of an output that the graph does not declare; once per process.
fn learned_shape(prepared: &Prepared, output: &ValueInfo, prep: &TensorPrep) -> Result<Vec<usize>> {
    type Key = (String, usize, usize);
    static SHAPES: Cache<Key, Vec<usize>> = Cache::new("shapes of networks' outputs", 256, 1 << 20);
    let key: Key = (prepared.sha256().to_owned(), prep.height, prep.width);
    let shape = SHAPES.get_or_make(key, || {
        let mut session = open(prepared.content(), prepared.folder(), SessionOptions::plain())?;
        let shape = probe::picture_shape(&mut session, &prepared.info, &output.name, prep)?;
        let bytes = size_of_val(shape.as_slice());
        Ok((shape, bytes))
    })?;
    Ok(shape.to_vec())
}

/// The row shape of an output, if the graph declares it.
fn known_shape(output: &ValueInfo) -> Option<Vec<usize>> {
    output.row_shape()?.iter().map(Dim::size).collect()
}

/// Returns an error if the rows of an output are not vectors, since class scores are one number per class.
fn check_scores(output: &str, shape: &[usize]) -> Result<()> {
    if shape.iter().filter(|n| **n != 1).count() <= 1 {
        return Ok(());
    }
    Err(Error::param(
        "headless",
        format!(
            "is False, but the network's output `{output}` has row shape {shape:?}, which is not that of class scores; set \
             outputTensorName to the output with the scores, or get all values of this one with headless=True, \
             featureTensorName=\"{output}\", pooling=\"none\""
        ),
    ))
}

impl Transform for ImageFeaturizer {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_image_input(input, &self.input_col)?;
        if let Some(origin) = &self.origin_col {
            input.field_with_name(origin).map_err(|_| {
                let available: Vec<String> = input.fields().iter().map(|f| f.name().clone()).collect();
                Error::column_not_found(origin, &available)
            })?;
        }
        Ok(vec![types::vector_field(&self.output_col, self.plan()?.size)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let origins: Option<ArrayRef> =
            self.origin_col.as_ref().map(|name| block.column(name)?.to_arrow(cx)).transpose()?;
        let images = ImageColumn::from_column(&self.input_col, block.column(&self.input_col)?, origins.as_ref())?;
        let network = Network {
            // No spinning, since the cores decode the next images meanwhile.
            runner: self.run.runner(&plan.prepared, self.row_policy.handle_invalid, *cx, false)?,
            prep: plan.prep.clone(),
            input: plan.input.clone(),
            output: plan.output.clone(),
            pooling: plan.pooling,
            size: plan.size,
        };
        let (vectors, rejects) = network.vectors(&images).map_err(|e| e.at_column(&self.input_col))?;
        Ok(Output { columns: vec![vectors.into_column()?], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        let plan = self.plan()?;
        Ok(plan.prepared.notes.iter().cloned().chain(plan.doubt.clone()).collect())
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
