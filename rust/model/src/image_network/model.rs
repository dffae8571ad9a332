//! A prepared network for images, and the conversion of images to its input.

use std::sync::Arc;

use arrow_schema::Schema;
use mmlrs_core::{Block, Cache, Context, HandleInvalid, ModelSource, Rejects, Result, types};
use mmlrs_image::{DecodeOptions, TensorPrep, check_image_input, input_images};

use super::batches::{Network, Reader};
use super::input::{ImageInput, image_input, image_meta};
use super::params::NetworkInput;
use crate::graph::image_meta::ImageMeta;
use crate::graph::prepared::Prepared;
use crate::prepare::{prepare, probe};
use crate::runtime::run_params::RunParams;
use crate::runtime::session::{SessionOptions, open};

/// A prepared network, and the conversion of images to its input.
#[derive(Debug)]
pub struct ImageModel {
    pub prepared: Arc<Prepared>,
    /// The image settings of the model's metadata.
    pub meta: ImageMeta,
    pub input: ImageInput,
    pub prep: TensorPrep,
    /// Why the normalization is implausible.
    doubt: Option<String>,
}

impl ImageModel {
    /// Prepares a network to compute `fetches`.
    pub fn make(
        model: &ModelSource,
        fetches: &[String],
        params: &NetworkInput,
        decode: DecodeOptions,
        run: &RunParams,
    ) -> Result<Self> {
        let (_, meta) = image_meta(model)?;
        let prepared = prepare(model, fetches)?;
        run.check()?;
        let input = image_input(&prepared.info)?;
        let factors = params.normalization(&meta, &input)?;
        let prep = params.prep(&input, &meta, &factors, decode)?;
        Ok(Self { prepared, meta, input, prep, doubt: factors.doubt })
    }

    /// Runs the images of a block; `reader` takes the outputs.
    pub fn run(
        &self,
        block: &Block,
        columns: Columns<'_>,
        run: &RunParams,
        policy: HandleInvalid,
        cx: &Context,
        reader: &mut dyn Reader,
    ) -> Result<Rejects> {
        let images = input_images(block, columns.image, columns.origin, *cx)?;
        let network = Network {
            // No spinning, since the cores decode the next images meanwhile.
            runner: run.runner(&self.prepared, policy, *cx, false)?,
            prep: self.prep.clone(),
            input: self.input.clone(),
        };
        network.run(&images, reader).map_err(|e| e.at_column(columns.image))
    }

    /// Runs one synthetic image to determine the row shape of an output that the graph does not declare; once per process.
    pub fn learned_shape(&self, output: &str) -> Result<Vec<usize>> {
        type Key = (String, String, usize, usize);
        static SHAPES: Cache<Key, Vec<usize>> = Cache::new("shapes of networks' outputs", 256, 1 << 20);
        let (prepared, prep) = (&self.prepared, &self.prep);
        let key: Key = (prepared.sha256().to_owned(), output.to_owned(), prep.height, prep.width);
        let shape = SHAPES.get_or_make(key, || {
            let mut session = open(prepared.content(), prepared.folder(), SessionOptions::plain())?;
            let shape = probe::picture_shape(&mut session, &prepared.info, output, prep)?;
            let bytes = size_of_val(shape.as_slice());
            Ok((shape, bytes))
        })?;
        Ok(shape.to_vec())
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
        self.origin.map_or(Ok(()), |origin| types::field_of(input, origin).map(drop))
    }
}
