//! The params of every stage that feeds images to a network.

use mmlrs_core::{Error, Result};
use mmlrs_image::{Centre, ChannelOrder, DecodeOptions, Interpolation, TensorPrep};
use mmlrs_macros::ParamGroup;

use super::input::ImageInput;
use super::normalization::{MEANS, Normalization, NormalizationParams, STDS};
use crate::graph::image_meta::ImageMeta;

/// A usual normalization.
struct Preset {
    name: &'static str,
    means: &'static [f64],
    stds: &'static [f64],
    scale: f64,
    bgr: bool,
}

const fn preset(name: &'static str, means: &'static [f64], stds: &'static [f64], scale: f64) -> Preset {
    Preset { name, means, stds, scale, bgr: false }
}

const TO_ONE: f64 = 1.0 / 255.0;

const PRESETS: [Preset; 5] = [
    preset("imagenet", &MEANS, &STDS, TO_ONE),
    preset("efficientnet-lite", &[127.0; 3], &[128.0; 3], 1.0),
    preset("clip", &[0.481_454_66, 0.457_827_5, 0.408_210_73], &[0.268_629_54, 0.261_302_58, 0.275_777_11], TO_ONE),
    Preset { bgr: true, ..preset("caffe", &[103.939, 116.779, 123.68], &[1.0; 3], 1.0) },
    preset("none", &[0.0; 3], &[1.0; 3], 1.0),
];

/// How an image becomes the input of a network.
#[derive(Debug, Clone, ParamGroup)]
pub struct NetworkInput {
    /// Number of rows of the network's input, for networks that accept any size.
    #[param(min(1))]
    pub image_height: Option<usize>,
    /// Number of columns of the network's input, for networks that accept any size.
    #[param(min(1))]
    pub image_width: Option<usize>,
    /// A usual normalization, for networks without metadata. "imagenet": values of 0 to 1, less the mean of ImageNet, over its
    /// standard deviation, as in torchvision. "efficientnet-lite": (pixel - 127) / 128. "clip": like "imagenet" with the mean and
    /// deviation of CLIP's images. "caffe": channels in the order B, G, R, less 103.939, 116.779, 123.68. "none": pixel values. The
    /// params of the normalization that are set take precedence over it, and it takes precedence over the metadata.
    #[param(one_of("imagenet", "efficientnet-lite", "clip", "caffe", "none"))]
    pub preprocessing: Option<String>,
    /// Mean of each channel, subtracted after scaling. If not set, that of the model's metadata, else ImageNet's 0.485,
    /// 0.456, 0.406, or 0 for a network with an integer input, which reads pixel values.
    #[param()]
    pub channel_normalization_means: Option<Vec<f64>>,
    /// Standard deviation of each channel, by which values are divided after the mean is subtracted. If not set, that of the
    /// model's metadata, else ImageNet's 0.229, 0.224, 0.225, or 1 for a network with an integer input.
    #[param()]
    pub channel_normalization_stds: Option<Vec<f64>>,
    /// Factor on the pixel values 0 to 255. If not set, that of the model's metadata, else 1/255, or 1 for a network with an
    /// integer input.
    #[param(above(0.0))]
    pub color_scale_factor: Option<f64>,
    /// Order of the network's channels. If not set, that of the model's metadata, else "rgb".
    #[param(one_of("rgb", "bgr"))]
    pub channel_order: Option<String>,
    /// Convert gray images to colour if the network expects three channels. Otherwise they are bad rows.
    #[param(default = true)]
    pub auto_convert_to_color: bool,
    /// How images are resized.
    #[param(default = "area", one_of("linear", "area", "cubic", "nearest", "lanczos"))]
    pub interpolation: String,
}

impl NetworkInput {
    /// The factors of the normalization, from the params, the metadata or the defaults.
    pub fn normalization(&self, meta: &ImageMeta, input: &ImageInput) -> Result<Normalization> {
        let preset = self.preset();
        if let (Some(_), Some(name), 1) = (preset, &self.preprocessing, input.channels) {
            return Err(Error::param(
                "preprocessing",
                format!(
                    "is \"{name}\", which is for three channels, but the network has one; set the params of the normalization"
                ),
            ));
        }
        let params = NormalizationParams {
            means: self.channel_normalization_means.as_deref().or(preset.map(|p| p.means)),
            stds: self.channel_normalization_stds.as_deref().or(preset.map(|p| p.stds)),
            scale: self.color_scale_factor.or(preset.map(|p| p.scale)),
        };
        Normalization::of(params, meta, input)
    }

    fn preset(&self) -> Option<&'static Preset> {
        let name = self.preprocessing.as_deref()?;
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Order of the network's channels.
    fn order(&self, meta: &ImageMeta) -> ChannelOrder {
        let preset = self.preset().map(|preset| if preset.bgr { "bgr" } else { "rgb" });
        match self.channel_order.as_deref().or(preset).or(meta.channel_order.as_deref()) {
            Some("bgr") => ChannelOrder::Bgr,
            _ => ChannelOrder::Rgb,
        }
    }

    /// The conversion of an image to a row of the input.
    pub fn prep(
        &self,
        input: &ImageInput,
        meta: &ImageMeta,
        factors: &Normalization,
        decode: DecodeOptions,
    ) -> Result<TensorPrep> {
        let narrowed = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        let prep = TensorPrep {
            height: side("imageHeight", input.height, self.image_height, meta.height)?,
            width: side("imageWidth", input.width, self.image_width, meta.width)?,
            mean: narrowed(&factors.means),
            std: narrowed(&factors.stds),
            scale: factors.scale as f32,
            channel_order: self.order(meta),
            channels: input.channels,
            layout: input.layout,
            interpolation: Interpolation::from_name(&self.interpolation).unwrap_or(Interpolation::Area),
            auto_convert_to_color: self.auto_convert_to_color,
            decode,
            centre: match (meta.crop, meta.resize_shorter) {
                (Some((height, width)), Some(shorter)) => {
                    let fraction = |side: usize| side as f64 / shorter as f64;
                    Some(Centre { height: fraction(height), width: fraction(width) })
                }
                _ => None,
            },
            letterbox: None,
        };
        prep.check()?;
        Ok(prep)
    }
}

/// A side of the input: that of the graph, of the param or of the metadata.
fn side(name: &str, fixed: Option<usize>, param: Option<usize>, meta: Option<usize>) -> Result<usize> {
    match (fixed, param) {
        (Some(fixed), Some(param)) if fixed != param => {
            Err(Error::param(name, format!("is {param}, but the network only accepts images of {fixed}")))
        }
        (Some(fixed), _) => Ok(fixed),
        (None, Some(param)) => Ok(param),
        (None, None) => meta.ok_or_else(|| {
            Error::param(name, "must be set: the network accepts images of any size, and its metadata has none")
        }),
    }
}
