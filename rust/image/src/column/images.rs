//! A column of images: its cells and the steps to apply to them.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::ArrayRef;
use mmlrs_core::{Block, Column, Context, HandleInvalid, Result};

use super::boxes::Boxes;
use super::source::{Source, wrong_type};
use crate::ops::Op;
use crate::options::DecodeOptions;

/// The operations of one stage on every image of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The stage's name, for errors.
    pub stage: String,
    /// The stage's input column, for errors.
    pub column: String,
    /// The stage's policy for a row that fails.
    pub handle_invalid: HandleInvalid,
    /// How encoded cells are decoded, if this is the first step. The limits apply to every step.
    pub decode: DecodeOptions,
    /// The operations on the pixels.
    pub ops: Vec<Op>,
    /// The boxes of each row, for operations that need them.
    pub boxes: Option<Arc<Boxes>>,
}

impl Step {
    /// The operations on the pixels of a row.
    pub(super) fn ops_of(&self, row: usize) -> Result<Cow<'_, [Op]>> {
        match &self.boxes {
            Some(boxes) => boxes.fill(&self.ops, row).map(Cow::Owned),
            None => Ok(Cow::Borrowed(&self.ops)),
        }
    }
}

/// A column of images, computed row by row on demand.
///
/// The cells are Spark's image structs, encoded bytes, or `struct(path, bytes)`. Clones share them.
#[derive(Debug, Clone)]
pub struct ImageColumn {
    pub(super) source: Arc<Source>,
    pub(super) steps: Vec<Arc<Step>>,
}

impl ImageColumn {
    /// The images of a column: a native image column unchanged, or an Arrow column of an accepted type. `origins` is a string
    /// column with the origin of each row. Without it the cells' own origin or path is used.
    pub fn from_column(name: &str, column: &Column, origins: Option<&ArrayRef>) -> Result<Self> {
        if let Some(images) = column.native::<Self>() {
            let mut images = images.clone();
            if let Some(origins) = origins {
                images.source = Arc::new(images.source.with_origins(origins)?);
            }
            return Ok(images);
        }
        match column {
            Column::Arrow(array, _) => Self::from_array(name, array, origins),
            Column::Native(other) => Err(wrong_type(name, &other.data_type())),
        }
    }

    /// The images of an Arrow array of an accepted type.
    pub fn from_array(name: &str, array: &ArrayRef, origins: Option<&ArrayRef>) -> Result<Self> {
        Ok(Self { source: Arc::new(Source::new(name, array, origins)?), steps: Vec::new() })
    }

    /// The same images with one more step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.source.len()
    }

    /// The origin of a row, usually a path.
    pub fn origin(&self, row: usize) -> Option<&str> {
        self.source.origin(row)
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Arc<Step>] {
        &self.steps
    }
}

/// The image column that a stage reads, with origins from another column if one is named.
pub fn input_images(block: &Block, name: &str, origins: Option<&str>, cx: Context) -> Result<ImageColumn> {
    let origins = origins.map(|column| block.column(column)?.to_arrow(&cx)).transpose()?;
    ImageColumn::from_column(name, block.column(name)?, origins.as_ref())
}
