//! The combination of a stage's params and its network.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::Schema;
use mmlrs_core::{Block, Cache, Context, Error, HandleInvalid, ModelSource, Rejects, Result};
use mmlrs_image::{DecodeOptions, ImageColumn, TensorPrep, check_image_input};

use super::batches::Network;
use super::input::{ImageInput, Pooling, TensorRequest, image_input, image_meta, requested_tensor};
use super::params::NetworkInput;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::graph::prepared::Prepared;
use crate::prepare::{prepare, probe};
use crate::runtime::run_params::RunParams;
use crate::runtime::session::{SessionOptions, open};
use crate::tensor::vectors::Vectors;

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
    pub prepared: Arc<Prepared>,
    /// The image settings of the model's metadata.
    pub meta: ImageMeta,
    /// Name of the tensor to read.
    pub output: String,
    /// Length of its vectors.
    pub size: usize,
    input: ImageInput,
    prep: TensorPrep,
    /// Why the normalization is implausible.
    doubt: Option<String>,
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
        let prepared = prepare(request.model, std::slice::from_ref(&output))?;
        request.run.check()?;
        let input = image_input(&prepared.info)?;
        let factors = request.input.normalization(&meta, &input)?;
        let prep = request.input.prep(&input, &meta, &factors, request.decode)?;
        let headless = request.tensor.headless;
        // Scores are a vector already.
        let pooling = if headless { request.pooling } else { Pooling::None };
        let info = prepared.info.output(&output).ok_or_else(|| Error::model(format!("no output `{output}`")))?;
        check_output(info, &meta, &request)?;
        let size = match pooling.known_size(info) {
            Some(size) => size,
            None => pooling.size(&learned_shape(&prepared, info, &prep)?),
        };
        if !headless && known_shape(info).is_none() {
            check_scores(&output, &learned_shape(&prepared, info, &prep)?, request.no_scores)?;
        }
        Ok(Self { prepared, meta, output, size, input, prep, doubt: factors.doubt, pooling })
    }

    /// Computes the vectors of the images of a block.
    pub fn run(
        &self,
        block: &Block,
        columns: Columns<'_>,
        run: &RunParams,
        policy: HandleInvalid,
        cx: &Context,
    ) -> Result<(Vectors, Rejects)> {
        let origins: Option<ArrayRef> = columns.origin.map(|name| block.column(name)?.to_arrow(cx)).transpose()?;
        let images = ImageColumn::from_column(columns.image, block.column(columns.image)?, origins.as_ref())?;
        let network = Network {
            // No spinning, since the cores decode the next images meanwhile.
            runner: run.runner(&self.prepared, policy, *cx, false)?,
            prep: self.prep.clone(),
            input: self.input.clone(),
            output: self.output.clone(),
            pooling: self.pooling,
            size: self.size,
        };
        network.vectors(&images).map_err(|e| e.at_column(columns.image))
    }

    /// What a user should know.
    pub fn notes(&self) -> Vec<String> {
        let crops = (self.meta.crop.is_some() && self.meta.resize_shorter.is_none()).then(|| {
            "the network was trained on the centre of images without a resize, and is given all of each image, resized; for its exact \
             results, add ImageTransformer with centerCrop(...) before it"
                .to_owned()
        });
        self.prepared.notes.iter().cloned().chain(self.doubt.clone()).chain(crops).collect()
    }
}

/// The columns that a stage reads.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    pub image: &'a str,
    /// The origin of each image, for error messages.
    pub origin: Option<&'a str>,
}

impl Columns<'_> {
    /// Returns an error unless the columns exist and hold images.
    pub fn check(&self, input: &Schema) -> Result<()> {
        check_image_input(input, self.image)?;
        let Some(origin) = self.origin else { return Ok(()) };
        input.field_with_name(origin).map(drop).map_err(|_| {
            let available: Vec<String> = input.fields().iter().map(|f| f.name().clone()).collect();
            Error::column_not_found(origin, &available)
        })
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
