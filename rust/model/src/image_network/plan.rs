//! The combination of a stage's params and its network.

use mmlrs_core::{Block, Context, Error, HandleInvalid, ModelSource, Rejects, Result};
use mmlrs_image::DecodeOptions;

use super::input::{Pooling, TensorRequest, image_input, image_meta, requested_tensor};
use super::model::{Columns, ImageModel};
use super::params::NetworkInput;
use super::vector_reader::VectorReader;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::runtime::run_params::RunParams;
use mmlrs_core::FloatRows;

/// What a stage asks of its network.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub model: &'a ModelSource,
    pub tensor: TensorRequest<'a>,
    /// The param and the words for a network without class scores.
    pub no_scores: NoScores,
    /// How features with rows and columns become a vector.
    pub pooling: Pooling,
    pub input: &'a NetworkInput,
    pub decode: DecodeOptions,
    pub run: &'a RunParams,
}

/// The words for a network that has no class scores.
#[derive(Debug, Clone, Copy)]
pub struct NoScores {
    /// The param to blame.
    pub param: &'static str,
    /// What begins the message.
    pub is: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// The combination of the params and the model.
#[derive(Debug)]
pub struct Plan {
    pub model: ImageModel,
    /// Name of the tensor to read.
    pub output: String,
    /// Length of its vectors.
    pub size: usize,
    pooling: Pooling,
}

impl Plan {
    /// Combines params and model.
    pub fn make(request: Request<'_>) -> Result<Self> {
        let (info, meta) = image_meta(request.model)?;
        if info.inputs.len() == 1 {
            // Reports a network that is not for images before any of its layers is searched for.
            image_input(&info)?;
        }
        let output = requested_tensor(request.model, request.tensor)?;
        let fetches = std::slice::from_ref(&output);
        let model = ImageModel::make(request.model, fetches, request.input, request.decode, request.run)?;
        let headless = request.tensor.headless;
        // Scores are a vector already.
        let pooling = if headless { request.pooling } else { Pooling::None };
        let info = model.prepared.info.output(&output).ok_or_else(|| Error::model(format!("no output `{output}`")))?;
        check_output(info, &meta, &request)?;
        let size = match pooling.known_size(info) {
            Some(size) => size,
            None => pooling.size(&model.learned_shape(&output)?),
        };
        if !headless && known_shape(info).is_none() {
            check_scores(&output, &model.learned_shape(&output)?, request.no_scores)?;
        }
        Ok(Self { model, output, size, pooling })
    }

    /// Computes the vectors of the images of a block.
    pub fn run(
        &self,
        block: &Block,
        columns: Columns<'_>,
        run: &RunParams,
        policy: HandleInvalid,
        cx: &Context,
    ) -> Result<(FloatRows, Rejects)> {
        let mut reader = VectorReader {
            output: &self.output,
            pooling: self.pooling,
            size: self.size,
            vectors: FloatRows::new(block.rows(), self.size)?,
        };
        let rejects = self.model.run(block, columns, run, policy, cx, &mut reader)?;
        Ok((reader.vectors, rejects))
    }

    /// What a user should know.
    pub fn notes(&self) -> Vec<String> {
        self.model.notes()
    }
}

/// Returns an error if the output does not hold floats or, for class scores, if it does not hold scores.
fn check_output(output: &ValueInfo, meta: &ImageMeta, request: &Request<'_>) -> Result<()> {
    let (name, words, headless) = (&output.name, output.kind.words(), request.tensor.headless);
    let floats = match &output.kind {
        ValueKind::Other(words) => words == "unknown",
        _ => output.element().is_some_and(Element::is_float),
    };
    if !floats {
        let param = if headless { "featureTensorName" } else { "outputTensorName" };
        return Err(Error::model(format!("output `{name}` is a {words}, not floats; set {param} to another tensor")));
    }
    if headless {
        return Ok(());
    }
    if meta.classifier == Some(false) || meta.feature_tensor.as_ref() == Some(name) {
        let NoScores { param, is, advice } = request.no_scores;
        return Err(Error::param(
            param,
            format!("{is}the network has no class scores according to its metadata; use {advice}"),
        ));
    }
    known_shape(output).map_or(Ok(()), |shape| check_scores(name, &shape, request.no_scores))
}

/// The row shape of an output, if the graph declares it.
fn known_shape(output: &ValueInfo) -> Option<Vec<usize>> {
    output.row_shape()?.iter().map(Dim::size).collect()
}

/// Returns an error if the rows of an output are not vectors, since class scores are one number per class.
fn check_scores(output: &str, shape: &[usize], words: NoScores) -> Result<()> {
    if shape.iter().filter(|n| **n != 1).count() <= 1 {
        return Ok(());
    }
    Err(Error::param(
        words.param,
        format!(
            "{}the network's output `{output}` has row shape {shape:?}, which is not that of class scores; set \
             outputTensorName to the output with the scores, or get all values of this one with headless=True, \
             featureTensorName=\"{output}\", pooling=\"none\"{}",
            words.is,
            if words.param == "headless" { "" } else { " in ImageFeaturizer" },
        ),
    ))
}
