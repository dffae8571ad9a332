//! Which means, deviations and scale a network's pictures get: those of the params, of the model's metadata, or the usual
//! ones; and what about them cannot be meant.

use mmlrs_core::{Error, Result};
use mmlrs_image::{Told, normalization_doubt};

use super::model::ImageInput;
use crate::graph::image_meta::ImageMeta;

/// Means of the `ImageNet` photographs, red first.
const MEANS: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviations of the `ImageNet` photographs.
const STDS: [f64; 3] = [0.229, 0.224, 0.225];
/// Brings pixel values to 0..1.
const SCALE: f64 = 1.0 / 255.0;

/// The params; what is not set comes from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormalizationParams<'a> {
    /// Mean per channel.
    pub means: Option<&'a [f64]>,
    /// Standard deviation per channel.
    pub stds: Option<&'a [f64]>,
    /// Factor on pixel values.
    pub scale: Option<f64>,
}

/// What happens to pixels: (x * scale - mean) / std.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// Mean per channel; empty means 0.
    pub means: Vec<f64>,
    /// Standard deviation per channel; empty means 1.
    pub stds: Vec<f64>,
    /// Factor on pixel values.
    pub scale: f64,
    /// What cannot be meant.
    pub doubt: Option<String>,
}

/// A value, and where it comes from.
struct Chosen<T> {
    value: T,
    from: String,
    /// Do the params or the metadata say it?
    told: bool,
}

fn chosen<T>(param: Option<T>, meta: Option<T>, default: T, names: (&str, &str)) -> Chosen<T> {
    let (name, words) = names;
    match (param, meta) {
        (Some(value), _) => Chosen { value, from: name.to_owned(), told: true },
        (None, Some(value)) => Chosen { value, from: format!("{words} of the model's metadata"), told: true },
        (None, None) => {
            Chosen { value: default, from: format!("{words} of ImageNet, since {name} is not set,"), told: false }
        }
    }
}

impl Normalization {
    /// For a network that reads floats, what neither params nor metadata say is `ImageNet`'s; one that reads whole numbers
    /// reads pixels, which stay what they are.
    pub fn of(params: NormalizationParams<'_>, meta: &ImageMeta, input: &ImageInput) -> Result<Self> {
        let whole = input.element.is_integer();
        let (means, stds, scale): (&[f64], &[f64], f64) = if whole { (&[], &[], 1.0) } else { (&MEANS, &STDS, SCALE) };
        let means = chosen(params.means, meta.means.as_deref(), means, ("channelNormalizationMeans", "the mean"));
        let stds =
            chosen(params.stds, meta.stds.as_deref(), stds, ("channelNormalizationStds", "the standard deviation"));
        let scale = chosen(params.scale, meta.scale, scale, ("colorScaleFactor", "the scale"));
        check_length("channelNormalizationMeans", &means, input.channels)?;
        check_length("channelNormalizationStds", &stds, input.channels)?;
        if stds.value.contains(&0.0) {
            return Err(Error::param("channelNormalizationStds", "must not contain 0"));
        }
        let doubt = integer_doubt(&means, &stds, &scale, input)
            .or_else(|| {
                normalization_doubt(
                    Told { value: means.value, from: &means.from },
                    Told { value: stds.value, from: &stds.from },
                    Told { value: scale.value, from: "colorScaleFactor" },
                )
            })
            .or_else(|| if whole { None } else { half(&means, &stds, &scale) });
        Ok(Self {
            means: for_channels(means.value, input.channels),
            stds: for_channels(stds.value, input.channels),
            scale: scale.value,
            doubt,
        })
    }
}

fn check_length(param: &str, list: &Chosen<&[f64]>, channels: usize) -> Result<()> {
    let length = list.value.len();
    // A gray network takes the mean over the channels of a list for colour.
    if length <= 1 || length == channels || (channels == 1 && length == 3) {
        return Ok(());
    }
    let cause = format!("has {length} values, the network's pictures have {channels} channels");
    Err(if list.from == param { Error::param(param, cause) } else { Error::model(format!("{} {cause}", list.from)) })
}

fn for_channels(values: &[f64], channels: usize) -> Vec<f64> {
    if channels == 1 && values.len() > 1 {
        return vec![values.iter().sum::<f64>() / values.len() as f64];
    }
    values.to_vec()
}

/// Values that whole numbers of the input's type cannot hold, or hold as two or three numbers only.
fn integer_doubt(
    means: &Chosen<&[f64]>,
    stds: &Chosen<&[f64]>,
    scale: &Chosen<f64>,
    input: &ImageInput,
) -> Option<String> {
    if !input.element.is_integer() {
        return None;
    }
    let nth = |values: &[f64], at: usize, empty: f64| values.get(at).or(values.first()).copied().unwrap_or(empty);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for channel in 0..3 {
        let (mean, std) = (nth(means.value, channel, 0.0), nth(stds.value, channel, 1.0));
        for pixel in [0.0, 255.0] {
            let value = (pixel * scale.value - mean) / std;
            (low, high) = (low.min(value), high.max(value));
        }
    }
    if low > -0.5 && high < 255.5 && high - low > 32.0 {
        return None;
    }
    Some(format!(
        "input `{}` holds whole numbers from 0 to 255 ({}), but the normalisation makes {low:.1} to {high:.1} of pixels; \
         without channelNormalizationMeans, channelNormalizationStds and colorScaleFactor, in the params and in the \
         model's metadata, pixels stay what they are",
        input.name,
        input.element.name()
    ))
}

/// One part said, another not: what is missing was filled in for other numbers.
fn half(means: &Chosen<&[f64]>, stds: &Chosen<&[f64]>, scale: &Chosen<f64>) -> Option<String> {
    let list = |values: &[f64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (means.told, stds.told) {
        (true, false) => Some(format!(
            "{} is set and channelNormalizationStds is not, so ImageNet's {} are used; set both",
            means.from,
            list(&STDS)
        )),
        (false, true) => Some(format!(
            "{} is set and channelNormalizationMeans is not, so ImageNet's {} are used; set both",
            stds.from,
            list(&MEANS)
        )),
        (false, false) if scale.told && (scale.value * 255.0 - 1.0).abs() > 0.01 => Some(format!(
            "{} is {}, but ImageNet's means and standard deviations, which are used where channelNormalizationMeans and \
             channelNormalizationStds are not set, are made for 1/255; set all three",
            scale.from, scale.value
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mmlrs_image::Layout;

    use super::*;
    use crate::graph::element::Element;

    fn input(element: Element, channels: usize) -> ImageInput {
        ImageInput { name: "x".into(), element, layout: Layout::Nchw, channels, height: Some(8), width: Some(8) }
    }

    fn of(params: NormalizationParams<'_>, element: Element) -> Normalization {
        Normalization::of(params, &ImageMeta::default(), &input(element, 3)).expect("a normalisation")
    }

    #[test]
    fn pixels_stay_pixels_for_a_network_of_whole_numbers() {
        let made = of(NormalizationParams::default(), Element::U8);
        assert_eq!(made, Normalization { means: vec![], stds: vec![], scale: 1.0, doubt: None });
        let meta = ImageMeta { means: Some(vec![127.0]), ..ImageMeta::default() };
        let made = Normalization::of(NormalizationParams::default(), &meta, &input(Element::U8, 3)).expect("made");
        assert!(made.means == [127.0] && made.doubt.is_some_and(|d| d.contains("-127.0 to 128.0")));
        let params = NormalizationParams { scale: Some(1.0), ..NormalizationParams::default() };
        assert_eq!(of(params, Element::U8).doubt, None);
    }

    #[test]
    fn a_network_of_floats_gets_imagenets_numbers_without_a_doubt() {
        let made = of(NormalizationParams::default(), Element::F32);
        assert_eq!((made.means.as_slice(), made.stds.as_slice(), made.doubt), (&MEANS[..], &STDS[..], None));
    }

    #[test]
    fn half_a_normalisation_is_doubted() {
        let doubt = |means: Option<&[f64]>, stds: Option<&[f64]>, scale| {
            of(NormalizationParams { means, stds, scale }, Element::F32).doubt.unwrap_or_default()
        };
        assert!(doubt(Some(&[0.5]), None, None).contains("channelNormalizationStds is not"));
        assert!(doubt(None, Some(&[0.5]), None).contains("channelNormalizationMeans is not"));
        assert!(doubt(None, None, Some(1.0 / 127.5)).contains("set all three"));
        assert!(doubt(None, None, Some(1.0)).contains("ImageNet"));
        assert!(doubt(Some(&[127.0]), Some(&[128.0]), None).contains("colorScaleFactor"));
        assert_eq!(doubt(Some(&[0.5]), Some(&[0.5]), None), "");
    }

    #[test]
    fn a_list_of_an_impossible_length_is_named() {
        let params = NormalizationParams { means: Some(&[0.1, 0.2]), ..NormalizationParams::default() };
        let error = Normalization::of(params, &ImageMeta::default(), &input(Element::F32, 3)).err();
        assert!(error.is_some_and(|e| e.to_string().contains("param `channelNormalizationMeans` has 2 values")));
    }
}
