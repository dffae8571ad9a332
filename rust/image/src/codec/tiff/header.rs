//! The properties of a TIFF file's samples, from its tags.

use std::borrow::Cow;

use mmlrs_core::{Error, Result};

use crate::codec::ifd::Tags;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const FAX_OPTIONS: u16 = 292;
const COLOUR_MAP: u16 = 320;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;
const EXTRA_SAMPLES: u16 = 338;

/// `PhotometricInterpretation`: the meaning of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Gray; 0 is white if `white_is_zero`.
    Gray {
        white_is_zero: bool,
    },
    Rgb,
    /// Indices into a colour map.
    Palette,
    Cmyk,
    YCbCr,
}

/// The decoder of the strips.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// CCITT group 3, or its codes without end-of-line codes: [`super::fax`].
    Fax3,
    /// The `tiff` crate.
    Other,
}

/// The meaning of the last sample of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// Alpha by which the colours are multiplied.
    AssociatedAlpha,
    UnassociatedAlpha,
    /// Absent, or not alpha.
    Nothing,
}

/// The checked tags.
#[derive(Debug)]
pub struct Header<'a> {
    tags: Tags<'a>,
    pub width: usize,
    pub height: usize,
    pub bits: usize,
    /// Samples per pixel, including extra ones.
    pub samples: usize,
    pub colours: Colours,
    pub compression: Compression,
    pub extra: Extra,
    reversed_bits: bool,
}

fn not_decoded(what: impl std::fmt::Display) -> Error {
    Error::decode(format!("unsupported kind of TIFF: {what}; convert it to PNG first"))
}

impl<'a> Header<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let truncated = || Error::decode("truncated TIFF: it ends before its tags");
        let tags = Tags::open(bytes).filter(|tags| !tags.is_cut_short()).ok_or_else(truncated)?;
        let size = |tag| tags.first(tag).and_then(|v| usize::try_from(v).ok()).filter(|v| *v > 0);
        let (width, height) = size(WIDTH).zip(size(HEIGHT)).ok_or_else(truncated)?;
        let compression = match tags.first(COMPRESSION) {
            Some(2 | 3) => Compression::Fax3,
            Some(6) => return Err(not_decoded("JPEG in the old style (compression 6)")),
            Some(34_925) => return Err(not_decoded("LZMA (compression 34925)")),
            Some(34_712) => return Err(not_decoded("JPEG 2000 (compression 34712)")),
            _ => Compression::Other,
        };
        let colours = match tags.first(PHOTOMETRIC) {
            Some(0) => Colours::Gray { white_is_zero: true },
            Some(1) => Colours::Gray { white_is_zero: false },
            Some(2) => Colours::Rgb,
            Some(3) => Colours::Palette,
            Some(5) => Colours::Cmyk,
            Some(6) => Colours::YCbCr,
            Some(8..=10) => return Err(not_decoded("CIE L*a*b* colours")),
            Some(32_803) => return Err(not_decoded("camera raw (a colour filter array)")),
            Some(32_844 | 32_845) => return Err(not_decoded("LogL or LogLuv colours")),
            Some(other) => return Err(not_decoded(format!("photometric interpretation {other}"))),
            None => return Err(Error::decode("damaged TIFF: it has no photometric interpretation")),
        };
        let samples = tags.first(SAMPLES).unwrap_or(1) as usize;
        let extra = match tags.first(EXTRA_SAMPLES) {
            Some(1) => Extra::AssociatedAlpha,
            Some(2) => Extra::UnassociatedAlpha,
            _ => Extra::Nothing,
        };
        let bits = tags.first(BITS).unwrap_or(1) as usize;
        let one_value = matches!(colours, Colours::Gray { .. } | Colours::Palette);
        if one_value && samples > 2 {
            return Err(not_decoded(format!("{samples} bands that are not colours")));
        }
        if one_value && samples == 2 && tags.first(COMPRESSION) == Some(7) {
            // The decoder interprets the two samples as another colour space.
            return Err(not_decoded("gray with alpha in JPEG (compression 7)"));
        }
        if colours == Colours::Palette && bits > 16 {
            return Err(Error::decode(format!("damaged TIFF: a palette with {bits} bits per sample")));
        }
        let reversed_bits = tags.first(FILL_ORDER) == Some(2);
        Ok(Self { tags, width, height, bits, samples, colours, compression, extra, reversed_bits })
    }

    /// Maximum number of channels of the decoded image, for the limits.
    pub fn channels(&self) -> usize {
        match (self.colours, self.samples) {
            (Colours::Gray { .. }, 1) => 1,
            (Colours::Gray { .. }, _) | (_, 4..) => 4,
            _ => 3,
        }
    }

    /// The file in a form that the `tiff` crate can read: palettes as gray, black as 0, bits in standard order.
    pub fn readable(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let renamed = match self.colours {
            Colours::Palette | Colours::Gray { white_is_zero: true } => self.tags.find(PHOTOMETRIC),
            _ => None,
        };
        if renamed.is_none() && !self.reversed_bits {
            return Cow::Borrowed(bytes);
        }
        let mut copy = bytes.to_vec();
        if let Some(entry) = renamed {
            self.tags.write(&mut copy, entry, 1);
        }
        if self.reversed_bits {
            if let Some(entry) = self.tags.find(FILL_ORDER) {
                self.tags.write(&mut copy, entry, 1);
            }
            for (offsets, lengths) in [(STRIP_OFFSETS, STRIP_BYTES), (TILE_OFFSETS, TILE_BYTES)] {
                for (from, length) in self.tags.all(offsets).into_iter().zip(self.tags.all(lengths)) {
                    let (from, length) = (from as usize, length as usize);
                    let range = from.min(copy.len())..from.saturating_add(length).min(copy.len());
                    copy[range].iter_mut().for_each(|byte| *byte = byte.reverse_bits());
                }
            }
        }
        Cow::Owned(copy)
    }

    /// The strips of a file of one plane: their bytes and rows.
    pub fn strips(&self, bytes: &'a [u8]) -> Result<Vec<(Cow<'a, [u8]>, usize)>> {
        let per_strip = self.tags.first(ROWS_PER_STRIP).map_or(self.height, |v| v as usize).clamp(1, self.height);
        let places = self.tags.all(STRIP_OFFSETS).into_iter().zip(self.tags.all(STRIP_BYTES));
        let strips: Vec<_> = places.collect();
        if strips.len() < self.height.div_ceil(per_strip) {
            return Err(not_decoded("a fax in tiles or without a strip table"));
        }
        let strip = |(i, (from, length)): (usize, (u64, u64))| {
            let from = from as usize;
            let range = from..from.saturating_add(length as usize);
            let data = bytes.get(range).ok_or_else(|| Error::decode("truncated TIFF: a strip is missing"))?;
            let reversed = || data.iter().map(|byte| byte.reverse_bits()).collect();
            let data = if self.reversed_bits { Cow::Owned(reversed()) } else { Cow::Borrowed(data) };
            Ok((data, per_strip.min(self.height - (i * per_strip).min(self.height))))
        };
        strips.into_iter().enumerate().map(strip).collect()
    }

    /// Whether lines end with a code (group 3), and whether a line may be coded relative to the previous one.
    pub fn fax_lines(&self) -> (bool, bool) {
        let group3 = self.tags.first(COMPRESSION) == Some(3);
        (group3, group3 && self.tags.first(FAX_OPTIONS).unwrap_or(0) & 1 == 1)
    }

    /// The colours of a palette as B, G, R. 16-bit colours keep the high byte; some files hold 8 bits.
    pub fn colour_map(&self) -> Result<Vec<[u8; 3]>> {
        let map = self.tags.all(COLOUR_MAP);
        let count = 1_usize << self.bits;
        if map.len() < 3 * count {
            return Err(Error::decode("damaged TIFF: its palette is too short"));
        }
        let shift = if map.iter().any(|v| *v > 255) { 8 } else { 0 };
        let byte = |i: usize| (map[i] >> shift) as u8;
        Ok((0..count).map(|i| [byte(2 * count + i), byte(count + i), byte(i)]).collect())
    }
}
