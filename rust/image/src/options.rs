//! The decode options: a group of params shared by every stage that decodes.

use mmlrs_core::{Constraint, Default as ParamDefault, ParamGroup, ParamMap, ParamSpec, ParamType, Result, Role};
use serde_json::{Value, json};

/// What to do with an alpha channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Alpha {
    /// Forget it; the colour channels stay as they are.
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
    /// Turn and flip the image as its EXIF tag says.
    pub apply_exif_orientation: bool,
    /// What to do with an alpha channel.
    pub alpha: Alpha,
    /// Decode JPEG at a reduced scale when the first operation shrinks it a lot.
    pub scaled_decode: bool,
    /// Most pixels an image may have.
    pub max_pixels: u64,
    /// Most bytes an image may have, encoded or decoded.
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
                "Turn and flip the decoded image as its EXIF orientation tag says.",
                ParamType::Bool,
                default.apply_exif_orientation,
                Constraint::None,
            ),
            spec(
                "alpha",
                "What to do with an alpha channel on decoding: \"drop\" forgets it, \"composite\" blends the image \
                 over white, \"keep\" gives a BGRA image of 4 channels.",
                ParamType::Str,
                "drop",
                Constraint::OneOf(&["drop", "composite", "keep"]),
            ),
            spec(
                "scaledDecode",
                "Decode a JPEG at 1/2, 1/4 or 1/8 of its size when the first operation shrinks it so far that at \
                 least 1.7 times the target size is left. About 3 times faster on photographs. With area \
                 interpolation the result is close to that of a full decode (40 dB PSNR in the median); the others skip \
                 pixels where they shrink, which the reduced decode averages, so it differs more. Set it to false for \
                 the pixels of a full decode.",
                ParamType::Bool,
                default.scaled_decode,
                Constraint::None,
            ),
            spec(
                "maxPixels",
                "Most pixels (height times width) an image may have; checked before memory is allocated.",
                ParamType::Int,
                json!(default.max_pixels),
                Constraint::Range(Some(1.0), None),
            ),
            spec(
                "maxBytes",
                "Most bytes an image may have, encoded or decoded; checked before memory is allocated.",
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
