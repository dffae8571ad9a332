//! Evaluates one row of an image column: decodes it, then applies the operations of each step.

use mmlrs_core::{Error, HandleInvalid, Result, fatal};

use super::images::{ImageColumn, Step};
use super::source::Cell;
use crate::codec;
use crate::image::{Image, ImageView};
use crate::ops::{Interpolation, Op, Resize, ResizeTo, apply_ops};
use crate::options::DecodeOptions;

/// A decoded image that may borrow the column's buffer.
#[derive(Debug, Clone)]
pub enum Pixels<'a> {
    Borrowed(ImageView<'a>),
    Owned(Image),
}

impl Pixels<'_> {
    pub fn view(&self) -> ImageView<'_> {
        match self {
            Self::Borrowed(view) => *view,
            Self::Owned(image) => image.view(),
        }
    }
}

/// The reason why a row is null: the error of the last step that processed it, without a place.
#[derive(Debug, Clone)]
pub struct Rejection(pub Error);

/// A row: its pixels, or the reason why there are none.
pub type Evaluated<'a> = Result<Pixels<'a>, Rejection>;

impl ImageColumn {
    /// Computes one row. An error is final, from a step whose policy is to fail. A rejection is a null.
    ///
    /// A row that a step with `skip` rejected will be dropped, so later steps do not fail on it. A row that a step with `keep`
    /// turned into null is a null for the next step, whose own policy applies.
    pub(crate) fn evaluate(&self, row: usize, fallback: &DecodeOptions) -> Result<Evaluated<'_>> {
        let Some((first, rest)) = self.steps.split_first() else {
            return Ok(self.load(row, fallback).map_err(|e| Rejection(e.from_origin(self.origin(row)))));
        };
        let started = self.load_and_apply(row, first);
        let mut skipped = false;
        let mut current = self.settle(row, first, started, &mut skipped)?;
        for step in rest {
            if skipped {
                break;
            }
            let next = match &current {
                Ok(_) if step.ops.is_empty() => continue,
                Ok(pixels) => {
                    step.ops_of(row).and_then(|ops| apply_ops(pixels.view(), &ops, &step.decode)).map(Pixels::Owned)
                }
                Err(_) => Err(null_error()),
            };
            current = self.settle(row, step, next, &mut skipped)?;
        }
        Ok(current)
    }

    /// Applies a step's policy to its outcome.
    fn settle<'a>(
        &self,
        row: usize,
        step: &Step,
        outcome: Result<Pixels<'a>>,
        skipped: &mut bool,
    ) -> Result<Evaluated<'a>> {
        outcome.map(Ok).or_else(|error| {
            let error = error.from_origin(self.origin(row));
            *skipped = step.handle_invalid == HandleInvalid::Skip;
            if step.handle_invalid == HandleInvalid::Error {
                return Err(fatal(error.at_stage(&step.stage).at_column(&step.column), row));
            }
            Ok(Err(Rejection(error)))
        })
    }

    /// The image of a cell at full scale.
    fn load(&self, row: usize, options: &DecodeOptions) -> Result<Pixels<'_>> {
        match self.source.cell(row)? {
            Cell::Null => Err(null_error()),
            Cell::Encoded(bytes) => codec::decode(bytes, options).map(Pixels::Owned),
            Cell::Decoded(view) => Ok(Pixels::Borrowed(view)),
        }
    }

    /// Loads the image and applies the first step. If it starts with a resize, the image may be decoded at a reduced scale.
    fn load_and_apply(&self, row: usize, step: &Step) -> Result<Pixels<'_>> {
        let cell = self.source.cell(row)?;
        if matches!(cell, Cell::Null) {
            return Err(null_error());
        }
        let mut ops = step.ops_of(row)?;
        let first = match ops.first() {
            Some(Op::Resize(resize)) if resize.interpolation != Interpolation::Nearest => Some(*resize),
            _ => None,
        };
        let pixels = match (cell, first) {
            (Cell::Encoded(bytes), Some(resize)) => {
                let decoded = codec::decode_for(bytes, &step.decode, &|height, width| resize.target(height, width))?;
                let (height, width) = resize.target(decoded.full_height, decoded.full_width);
                ops.to_mut()[0] = Op::Resize(Resize { to: ResizeTo::Exact { height, width }, ..resize });
                Pixels::Owned(decoded.image)
            }
            _ => self.load(row, &step.decode)?,
        };
        if ops.is_empty() {
            return Ok(pixels);
        }
        apply_ops(pixels.view(), &ops, &step.decode).map(Pixels::Owned)
    }

    /// The encoded bytes of a row that no step has changed yet, for decoders that write directly to a tensor.
    pub(crate) fn encoded(&self, row: usize) -> Option<&[u8]> {
        if self.steps.iter().any(|step| !step.ops.is_empty()) {
            return None;
        }
        match self.source.cell(row) {
            Ok(Cell::Encoded(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// The error for a null cell.
pub fn null_error() -> Error {
    Error::decode("value is null")
}
