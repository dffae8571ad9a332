//! The means, deviations and scale for a network's images: those of the params, of the model's metadata, or the usual ones.
//! Also detects implausible combinations.

use mmlrs_core::{Error, Result};
use mmlrs_image::{Factor, normalization_doubt};

use super::input::ImageInput;
use crate::graph::image_meta::ImageMeta;

/// Means of the ImageNet photographs, red first.
pub const MEANS: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviations of the ImageNet photographs.
pub const STDS: [f64; 3] = [0.229, 0.224, 0.225];
/// Scales pixel values to 0 to 1.
const SCALE: f64 = 1.0 / 255.0;

/// The params. Unset values come from the metadata or the defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct NormalizationParams<'a> {
    /// Mean per channel.
    pub means: Option<&'a [f64]>,
    /// Standard deviation per channel.
    pub stds: Option<&'a [f64]>,
    /// Factor on pixel values.
    pub scale: Option<f64>,
}

/// The normalization of pixels: (x * scale - mean) / std.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// Mean per channel; empty means 0.
    pub means: Vec<f64>,
    /// Standard deviation per channel; empty means 1.
    pub stds: Vec<f64>,
    /// Factor on pixel values.
    pub scale: f64,
    /// Why the normalization is implausible.
    pub doubt: Option<String>,
}

/// A value and its source.
struct Chosen<T> {
    value: T,
    from: String,
    /// Whether it comes from the params or the metadata.
    explicit: bool,
}

fn chosen<T>(param: Option<T>, meta: Option<T>, default: T, names: (&str, &str)) -> Chosen<T> {
    let (name, words) = names;
    match (param, meta) {
        (Some(value), _) => Chosen { value, from: name.to_owned(), explicit: true },
        (None, Some(value)) => Chosen { value, from: format!("{words} of the model's metadata"), explicit: true },
        (None, None) => {
            Chosen { value: default, from: format!("{words} of ImageNet, since {name} is not set,"), explicit: false }
        }
    }
}

impl Normalization {
    /// For a network that reads floats, values that are in neither params nor metadata are those of ImageNet. A network that
    /// reads integers reads unchanged pixel values.
    pub fn of(params: NormalizationParams<'_>, meta: &ImageMeta, input: &ImageInput) -> Result<Self> {
        let integer_input = input.element.is_integer();
        let (means, stds, scale): (&[f64], &[f64], f64) =
            if integer_input { (&[], &[], 1.0) } else { (&MEANS, &STDS, SCALE) };
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
                    Factor { value: means.value, from: &means.from },
                    Factor { value: stds.value, from: &stds.from },
                    Factor { value: scale.value, from: "colorScaleFactor" },
                )
            })
            .or_else(|| if integer_input { None } else { half(&means, &stds, &scale) });
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
    // A gray network uses the mean over the channels of a list for colour.
    if length <= 1 || length == channels || (channels == 1 && length == 3) {
        return Ok(());
    }
    let cause = format!("has {length} values, but the network's images have {channels} channels");
    Err(if list.from == param { Error::param(param, cause) } else { Error::model(format!("{} {cause}", list.from)) })
}

fn for_channels(values: &[f64], channels: usize) -> Vec<f64> {
    if channels == 1 && values.len() > 1 {
        return vec![values.iter().sum::<f64>() / values.len() as f64];
    }
    values.to_vec()
}

/// Values that do not fit the integer type of the input, or that would collapse to two or three distinct integers.
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
        "input `{}` holds integers from 0 to 255 ({}), but the normalization gives {low:.1} to {high:.1}; \
         without channelNormalizationMeans, channelNormalizationStds and colorScaleFactor in the params and the \
         model's metadata, pixel values are unchanged",
        input.name,
        input.element.name()
    ))
}

/// A missing part is replaced by a default that does not match the explicit parts.
fn half(means: &Chosen<&[f64]>, stds: &Chosen<&[f64]>, scale: &Chosen<f64>) -> Option<String> {
    let list = |values: &[f64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (means.explicit, stds.explicit) {
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
        (false, false) if scale.explicit && (scale.value * 255.0 - 1.0).abs() > 0.01 => Some(format!(
            "{} is {}, but ImageNet's means and standard deviations, which are used if channelNormalizationMeans and \
             channelNormalizationStds are not set, are meant for 1/255; set all three",
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
        Normalization::of(params, &ImageMeta::default(), &input(element, 3)).expect("a normalization")
    }

    #[test]
    fn pixels_stay_pixels_for_a_network_of_whole_numbers() {
        let chosen = of(NormalizationParams::default(), Element::U8);
        assert_eq!(chosen, Normalization { means: vec![], stds: vec![], scale: 1.0, doubt: None });
        let meta = ImageMeta { means: Some(vec![127.0]), ..ImageMeta::default() };
        let chosen = Normalization::of(NormalizationParams::default(), &meta, &input(Element::U8, 3)).expect("made");
        assert!(chosen.means == [127.0] && chosen.doubt.is_some_and(|d| d.contains("-127.0 to 128.0")));
        let params = NormalizationParams { scale: Some(1.0), ..NormalizationParams::default() };
        assert_eq!(of(params, Element::U8).doubt, None);
    }

    #[test]
    fn a_network_of_floats_gets_imagenets_numbers_without_a_doubt() {
        let chosen = of(NormalizationParams::default(), Element::F32);
        assert_eq!((chosen.means.as_slice(), chosen.stds.as_slice(), chosen.doubt), (&MEANS[..], &STDS[..], None));
    }

    #[test]
    fn half_a_normalization_is_doubted() {
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
