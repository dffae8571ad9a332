//! The image settings in the metadata of a network.

use mmlrs_core::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::graph::info::ModelInfo;
use crate::graph::yolo_meta;

/// Metadata key of a model's image settings, as JSON.
pub const IMAGE_KEY: &str = "mmlrs.image";

/// The image settings in a model's metadata. Every part may be missing or null.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
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
    #[serde(deserialize_with = "list")]
    pub layer_names: Vec<String>,
    /// The tensor with the features.
    pub feature_tensor: Option<String>,
    /// Class labels.
    #[serde(deserialize_with = "list")]
    pub labels: Vec<String>,
    /// Names of the classes for people, in the same order.
    #[serde(deserialize_with = "list")]
    pub descriptions: Vec<String>,
    /// Height and width of the centre that is cropped after the resize.
    pub crop: Option<(usize, usize)>,
    /// Length of the shorter side after the resize, before the crop.
    pub resize_shorter: Option<usize>,
    /// `logits`, `probabilities` or `multi-label`.
    pub scores: Option<String>,
    /// Whether the output holds class scores.
    pub classifier: Option<bool>,
}

/// Reads a list that may be null.
fn list<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

impl ImageMeta {
    /// Reads the settings of a model: those of [`IMAGE_KEY`], else those that YOLO exports have; none if it has no such metadata.
    ///
    /// # Errors
    /// The metadata is not JSON, or a setting has the wrong type or value.
    pub fn of(info: &ModelInfo) -> mmlrs_core::Result<Self> {
        let Some(text) = info.meta(IMAGE_KEY) else { return Ok(Self::of_yolo(info)) };
        let wrong = |cause: &str| Error::model(format!("its metadata `{IMAGE_KEY}` cannot be read: {cause}"));
        // A struct could also be read from a list.
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|e| wrong(&e.to_string()))?;
        let mut meta: Self = serde_json::from_value(Value::Object(object)).map_err(|e| wrong(&e.to_string()))?;
        meta.channel_order = meta.channel_order.map(|order| order.to_lowercase());
        let one_of = |key: &str, value: &Option<String>, known: &[&str]| match value {
            Some(value) if !known.contains(&value.as_str()) => {
                Err(wrong(&format!("`{key}` is \"{value}\", expected one of {}", known.join(", "))))
            }
            _ => Ok(()),
        };
        one_of("channelOrder", &meta.channel_order, &["rgb", "bgr"])?;
        one_of("scores", &meta.scores, &["logits", "probabilities", "multi-label"])?;
        let (crop, shorter) = (meta.crop.unwrap_or((1, 1)), meta.resize_shorter.unwrap_or(1));
        for (key, size) in [("crop", crop.0), ("crop", crop.1), ("resizeShorter", shorter)] {
            if size == 0 {
                return Err(wrong(&format!("`{key}` is 0")));
            }
        }
        Ok(meta)
    }

    /// The settings in the metadata of a YOLO export.
    fn of_yolo(info: &ModelInfo) -> Self {
        let labels = info.meta("names").and_then(yolo_meta::names).unwrap_or_default();
        let size = info.meta("imgsz").and_then(yolo_meta::size);
        let mut meta =
            Self { labels, height: size.map(|size| size.0), width: size.map(|size| size.1), ..Self::default() };
        // Networks that classify are trained with a normalization that the metadata does not have.
        if !meta.labels.is_empty() && info.meta("stride").is_some() && info.meta("task") != Some("classify") {
            meta.means = Some(vec![0.0]);
            meta.stds = Some(vec![1.0]);
            meta.scale = Some(1.0 / 255.0);
        }
        meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(text: &str) -> Result<ImageMeta, String> {
        let metadata = vec![(IMAGE_KEY.to_owned(), text.to_owned())];
        ImageMeta::of(&ModelInfo { metadata, ..ModelInfo::default() }).map_err(|e| e.to_string())
    }

    #[test]
    fn settings_are_read_and_may_be_missing_or_null() {
        let read = meta(r#"{"name": "x", "height": 8, "labels": null, "channelOrder": "BGR", "crop": [4, 6]}"#);
        let expected = ImageMeta {
            height: Some(8),
            channel_order: Some("bgr".into()),
            crop: Some((4, 6)),
            ..ImageMeta::default()
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(ImageMeta::of(&ModelInfo::default()).ok(), Some(ImageMeta::default()));
    }

    #[test]
    fn the_metadata_of_a_yolo_export_are_read() {
        let read = |entries: &[(&str, &str)]| {
            let metadata = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            ImageMeta::of(&ModelInfo { metadata, ..ModelInfo::default() }).expect("settings")
        };
        let names = ("names", "{0: 'animal', 1: \"a dog's toy\"}");
        let meta = read(&[names, ("stride", "32"), ("task", "detect"), ("imgsz", "[384, 640]")]);
        assert_eq!(meta.labels, ["animal", "a dog's toy"]);
        assert_eq!((meta.height, meta.width, meta.scale), (Some(384), Some(640), Some(1.0 / 255.0)));
        assert_eq!(read(&[names, ("stride", "1"), ("task", "classify")]).scale, None);
        assert_eq!(read(&[("names", "animal"), ("stride", "32")]), ImageMeta::default());
    }

    #[test]
    fn wrong_settings_are_an_error_that_names_them() {
        for (text, cause) in [
            ("{", "EOF"),
            ("[1]", "invalid type"),
            (r#"{"height": "8"}"#, "invalid type: string"),
            (r#"{"means": [1, null]}"#, "invalid type: null"),
            (r#"{"labels": [1]}"#, "invalid type: integer"),
            (r#"{"scores": "odds"}"#, "`scores` is \"odds\""),
            (r#"{"channelOrder": "gbr"}"#, "`channelOrder` is \"gbr\""),
            (r#"{"crop": [0, 4]}"#, "`crop` is 0"),
        ] {
            let error = meta(text).err().unwrap_or_default();
            assert!(error.contains("mmlrs.image") && error.contains(cause), "{text}: {error}");
        }
    }
}
