//! A network that finds objects in images, and the params of how to read it.

use std::borrow::Cow;

use mmlrs_core::{Block, Context, Error, HandleInvalid, ModelSource, Rejects, Result};
use mmlrs_image::{DecodeOptions, Letterbox};

use super::arrange::InputSize;
use super::found::Object;
use super::head::{Evidence, Head, OutputShape};
use super::reader::{Limits, ObjectReader};
use crate::graph::ancestors;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::ValueInfo;
use crate::graph::source::load;
use crate::image_network::input::{ImageInput, image_input, image_meta};
use crate::image_network::model::{Columns, ImageModel};
use crate::image_network::params::NetworkInput;
use crate::prepare::prepare;
use crate::runtime::run_params::RunParams;

/// What a stage asks of its network.
#[derive(Debug, Clone, Copy)]
pub struct DetectorRequest<'a> {
    pub model: &'a ModelSource,
    pub layout: &'a str,
    pub labels: Option<&'a [String]>,
    /// The output to read. If not set, the outputs are recognized by their shapes.
    pub output: Option<&'a str>,
    /// Whether images are letterboxed. If not set, as the layout needs it.
    pub letterbox: Option<bool>,
    pub input: &'a NetworkInput,
    pub decode: DecodeOptions,
    pub run: &'a RunParams,
}

/// The network, and how to read its outputs.
#[derive(Debug)]
pub struct Detector {
    pub model: ImageModel,
    /// Names of the classes; none if they have only numbers.
    pub labels: Vec<String>,
    head: Head,
    size: InputSize,
}

impl Detector {
    /// Combines params and model.
    pub fn make(request: DetectorRequest<'_>) -> Result<Self> {
        let DetectorRequest { model: source, layout, labels: own_labels, output, letterbox, input, decode, run } =
            request;
        if own_labels.is_some_and(<[String]>::is_empty) {
            return Err(Error::param("labels", "is empty; set one name per class, or leave it unset"));
        }
        let (info, meta) = image_meta(source)?;
        let image = image_input(&info)?;
        if info.meta("task") == Some("obb") {
            return Err(Error::param("model", "finds rotated boxes, which this stage does not read"));
        }
        // A DETR has two outputs.
        let scores = output.filter(|_| matches!(layout, "detr" | "rtdetr"));
        let outputs = match output {
            Some(name) if scores.is_none() => vec![name.to_owned()],
            _ => info.outputs.iter().map(|output| output.name.clone()).collect(),
        };
        let floats: Vec<String> =
            prepare(source, &outputs)?.info.outputs.iter().filter(|o| is_float(o)).map(|o| o.name.clone()).collect();
        let fetches = if floats.is_empty() { outputs } else { floats };
        let trial = ImageModel::make(source, &fetches, input, decode, run)?;
        let size = InputSize { rows: trial.prep.height, columns: trial.prep.width };
        let labels = own_labels.map_or_else(|| meta.labels.clone(), <[String]>::to_vec);
        let shapes = shapes(&trial)?;
        let depends_on =
            |tensor: &str, op_type: &str| Ok(ancestors::depends_on(&load(source)?.model.graph, tensor, op_type));
        let head = Head::of(&Evidence {
            layout,
            outputs: &shapes,
            scores,
            labels: (!labels.is_empty()).then_some(labels.len()),
            labels_are_set: own_labels.is_some(),
            size,
            depends_on: &depends_on,
        })?;
        let input = with_usual_pixels(input, &meta, &image, &head);
        let mut model = ImageModel::make(source, &head.fetches(), &input, decode, run)?;
        let usual = head.letterbox();
        model.prep.centre = None;
        model.prep.letterbox = match letterbox {
            None => usual,
            Some(true) => Some(usual.unwrap_or(Letterbox::Middle)),
            Some(false) => None,
        };
        Ok(Self { model, labels, head, size })
    }

    /// Finds the objects in the images of a block. A row whose outputs are not those of a detector is a bad row.
    pub fn objects(
        &self,
        block: &Block,
        columns: Columns<'_>,
        run: &RunParams,
        policy: HandleInvalid,
        limits: Limits,
        cx: &Context,
    ) -> Result<(Vec<Option<Vec<Object>>>, Rejects)> {
        let mut reader = ObjectReader {
            head: &self.head,
            labels: (!self.labels.is_empty()).then_some(self.labels.len()),
            size: self.size,
            limits,
            rows: (0..block.rows()).map(|_| None).collect(),
        };
        let mut rejects = self.model.run(block, columns, run, policy, cx, &mut reader)?;
        let mut objects = Vec::with_capacity(block.rows());
        for (row, found) in reader.rows.into_iter().enumerate() {
            objects.push(match found {
                Some(Err(error)) => {
                    rejects.reject(row, error).map_err(|e| e.at_column(columns.image))?;
                    None
                }
                Some(Ok(found)) => Some(found),
                None => None,
            });
        }
        Ok((objects, rejects))
    }

    /// What a user should know.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.model.notes();
        if self.labels.is_empty() {
            notes.push("the model has no labels, so `label` is the index of the class; set labels".to_owned());
        }
        notes
    }
}

fn is_float(output: &ValueInfo) -> bool {
    output.element().is_some_and(Element::is_float)
}

/// The row shapes of the outputs, from the graph or a trial.
fn shapes(model: &ImageModel) -> Result<Vec<OutputShape>> {
    let of = |output: &ValueInfo| {
        let declared: Option<Vec<usize>> = output.row_shape().and_then(|dims| dims.iter().map(Dim::size).collect());
        let shape = match declared {
            Some(shape) => shape,
            None => model.learned_shape(&output.name)?,
        };
        Ok(OutputShape { name: output.name.clone(), shape })
    };
    model.prepared.info.outputs.iter().map(of).collect()
}

/// The params of the input. If neither they nor the metadata say how pixels are normalized, as networks of this kind need it.
fn with_usual_pixels<'p>(
    params: &'p NetworkInput,
    meta: &ImageMeta,
    image: &ImageInput,
    head: &Head,
) -> Cow<'p, NetworkInput> {
    let is_set = params.preprocessing.is_some()
        || params.channel_normalization_means.is_some()
        || params.channel_normalization_stds.is_some()
        || params.color_scale_factor.is_some();
    let is_known = meta.means.is_some() || meta.stds.is_some() || meta.scale.is_some();
    let is_detr = matches!(head, Head::Queries(queries) if queries.is_softmax);
    if is_set || is_known || image.element.is_integer() || is_detr {
        return Cow::Borrowed(params);
    }
    let is_yolox = head.is_yolox();
    let order = (is_yolox && meta.channel_order.is_none()).then(|| "bgr".to_owned());
    Cow::Owned(NetworkInput {
        channel_normalization_means: Some(vec![0.0]),
        channel_normalization_stds: Some(vec![1.0]),
        color_scale_factor: Some(if is_yolox { 1.0 } else { 1.0 / 255.0 }),
        channel_order: params.channel_order.clone().or(order),
        ..params.clone()
    })
}
