//! The image settings in the metadata of a network.

use serde_json::Value;

use crate::graph::info::ModelInfo;

/// Metadata key of a model's image settings, as JSON.
pub const IMAGE_KEY: &str = "mmlrs.image";

/// The image settings in a model's metadata. Every part may be missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageMeta {
    /// Number of rows of an image.
    pub height: Option<usize>,
    /// Number of columns of an image.
    pub width: Option<usize>,
    /// Mean per channel.
    pub means: Option<Vec<f64>>,
    /// Standard deviation per channel.
    pub stds: Option<Vec<f64>>,
    /// Factor on pixel values.
    pub scale: Option<f64>,
    /// `rgb` or `bgr`.
    pub channel_order: Option<String>,
    /// Names of layer outputs, from the model's output to its input.
    pub layer_names: Vec<String>,
    /// The tensor with the features.
    pub feature_tensor: Option<String>,
    /// Class labels.
    pub labels: Vec<String>,
    /// Names of the classes for people, in the same order.
    pub descriptions: Vec<String>,
    /// Height and width of the centre that is cropped after the resize.
    pub crop: Option<(usize, usize)>,
    /// Length of the shorter side after the resize, before the crop.
    pub resize_shorter: Option<usize>,
    /// `logits` or `probabilities`.
    pub scores: Option<String>,
    /// Whether the output holds class scores.
    pub classifier: Option<bool>,
}

impl ImageMeta {
    /// Reads the settings of a model. A value of the wrong type counts as missing.
    pub fn of(info: &ModelInfo) -> Self {
        let Some(meta) = info.meta(IMAGE_KEY).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
            return Self::default();
        };
        let size = |key: &str| meta.get(key).and_then(Value::as_u64).map(|n| n as usize);
        let floats = |key: &str| -> Option<Vec<f64>> { meta.get(key)?.as_array()?.iter().map(Value::as_f64).collect() };
        let text = |key: &str| meta.get(key).and_then(Value::as_str).map(str::to_owned);
        let texts = |key: &str| -> Vec<String> {
            let items = meta.get(key).and_then(Value::as_array);
            items.map(|i| i.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
        };
        Self {
            height: size("height"),
            width: size("width"),
            means: floats("means"),
            stds: floats("stds"),
            scale: meta.get("scale").and_then(Value::as_f64),
            channel_order: text("channelOrder").map(|order| order.to_lowercase()),
            layer_names: texts("layerNames"),
            feature_tensor: text("featureTensor"),
            labels: texts("labels"),
            descriptions: texts("descriptions"),
            crop: sizes(&meta, "crop"),
            resize_shorter: size("resizeShorter").filter(|side| *side > 0),
            scores: text("scores"),
            classifier: meta.get("classifier").and_then(Value::as_bool),
        }
    }
}

/// A pair of sizes, neither of them 0.
fn sizes(meta: &Value, key: &str) -> Option<(usize, usize)> {
    match meta.get(key)?.as_array()?.as_slice() {
        [height, width] => {
            Some((height.as_u64()? as usize, width.as_u64()? as usize)).filter(|(h, w)| *h > 0 && *w > 0)
        }
        _ => None,
    }
}
