//! The decode options: a group of params shared by every stage that decodes.

use mmlrs_core::{Constraint, Default as ParamDefault, ParamGroup, ParamMap, ParamSpec, ParamType, Result, Role};
use serde_json::{Value, json};

/// The handling of an alpha channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Alpha {
    /// Drop it; the colour channels are unchanged.
    #[default]
    Drop,
    /// Blend the image over white.
    Composite,
    /// Keep it as the fourth channel.
    Keep,
}

/// How encoded images are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeOptions {
    /// Rotate and flip the image according to its EXIF tag.
    pub apply_exif_orientation: bool,
    /// The handling of an alpha channel.
    pub alpha: Alpha,
    /// Decode JPEG at a reduced scale if the first operation shrinks it a lot.
    pub scaled_decode: bool,
    /// Maximum number of pixels of an image.
    pub max_pixels: u64,
    /// Maximum number of bytes of an image, encoded or decoded.
    pub max_bytes: u64,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            apply_exif_orientation: true,
            alpha: Alpha::Drop,
            scaled_decode: true,
            max_pixels: 100_000_000,
            max_bytes: 268_435_456,
        }
    }
}

fn spec(
    name: &'static str,
    doc: &'static str,
    ty: ParamType,
    default: impl Into<Value>,
    constraint: Constraint,
) -> ParamSpec {
    ParamSpec {
        name,
        doc,
        ty,
        default: ParamDefault::Value(default.into()),
        optional: false,
        constraint,
        role: Role::Plain,
        accepts: &[],
        group: Some("DecodeOptions"),
    }
}

impl ParamGroup for DecodeOptions {
    fn specs() -> Vec<ParamSpec> {
        let default = Self::default();
        vec![
            spec(
                "applyExifOrientation",
                "Rotate and flip the decoded image according to its EXIF orientation tag.",
                ParamType::Bool,
                default.apply_exif_orientation,
                Constraint::None,
            ),
            spec(
                "alpha",
                "How to decode an alpha channel: \"drop\" removes it, \"composite\" blends the image \
                 over white, \"keep\" gives a BGRA image with 4 channels.",
                ParamType::Str,
                "drop",
                Constraint::OneOf(&["drop", "composite", "keep"]),
            ),
            spec(
                "scaledDecode",
                "Decode a JPEG at 1/2, 1/4 or 1/8 of its size if the first operation shrinks it so much that at \
                 least 1.7 times the target size remains. About 3 times faster on photographs. With area \
                 interpolation the result is close to that of a full decode (median PSNR of 40 dB). The other \
                 interpolations skip pixels that the reduced decode averages, so the difference is larger. Set it to \
                 False for the pixels of a full decode.",
                ParamType::Bool,
                default.scaled_decode,
                Constraint::None,
            ),
            spec(
                "maxPixels",
                "Maximum number of pixels (height times width) of an image, checked before memory is allocated.",
                ParamType::Int,
                json!(default.max_pixels),
                Constraint::Range(Some(1.0), None),
            ),
            spec(
                "maxBytes",
                "Maximum number of bytes of an image, encoded or decoded, checked before memory is allocated.",
                ParamType::Int,
                json!(default.max_bytes),
                Constraint::Range(Some(1.0), None),
            ),
        ]
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        let specs = Self::specs();
        let alpha: String = params.get(&specs[1])?;
        Ok(Self {
            apply_exif_orientation: params.get(&specs[0])?,
            alpha: match alpha.as_str() {
                "composite" => Alpha::Composite,
                "keep" => Alpha::Keep,
                _ => Alpha::Drop,
            },
            scaled_decode: params.get(&specs[2])?,
            max_pixels: params.get::<i64>(&specs[3])?.unsigned_abs(),
            max_bytes: params.get::<i64>(&specs[4])?.unsigned_abs(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_params_are_the_defaults_of_the_struct() -> Result<()> {
        assert_eq!(DecodeOptions::from_params(&ParamMap::default())?, DecodeOptions::default());
        Ok(())
    }
}
