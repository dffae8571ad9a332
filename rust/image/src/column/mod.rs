//! Image columns: cells that may still be encoded, and the steps to apply to them.

mod evaluate;
mod materialize;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Schema};
use mmlrs_core::{Block, Column, Context, Error, HandleInvalid, Materialized, NativeColumn, Result, types};

use crate::ops::Op;
use crate::options::DecodeOptions;
pub(crate) use evaluate::Evaluated;
pub(crate) use materialize::chunked;
use source::Source;

/// What one stage does to every image of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The stage's name, for errors.
    pub stage: String,
    /// The stage's input column, for errors.
    pub column: String,
    /// What the stage does with a row that fails.
    pub handle_invalid: HandleInvalid,
    /// How encoded cells are decoded, if this is the first step; the limits hold for every step.
    pub decode: DecodeOptions,
    /// What is done to the pixels.
    pub ops: Vec<Op>,
}

/// A column of images, computed row by row when needed.
///
/// The cells are Spark's image structs, encoded bytes, or `struct(path, bytes)`. Cloning shares them.
#[derive(Debug, Clone)]
pub struct ImageColumn {
    source: Arc<Source>,
    steps: Vec<Arc<Step>>,
}

impl ImageColumn {
    /// The images of a column: a native image column as it is, or Arrow of an accepted type. `origins` is a text column
    /// that says where each row came from; without it the cells' own origin or path is used.
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

    /// Where a row came from: a path usually.
    pub fn origin(&self, row: usize) -> Option<&str> {
        self.source.origin(row)
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Arc<Step>] {
        &self.steps
    }
}

impl NativeColumn for ImageColumn {
    fn len(&self) -> usize {
        self.rows()
    }

    fn data_type(&self) -> DataType {
        types::image_type()
    }

    fn materialize(&self, cx: &Context) -> Result<Materialized> {
        materialize::to_structs(self, *cx)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// The image column a stage reads, with origins from another column if one is named.
pub fn input_images(block: &Block, name: &str, origins: Option<&str>, cx: Context) -> Result<ImageColumn> {
    let origins = origins.map(|column| block.column(column)?.to_arrow(&cx)).transpose()?;
    ImageColumn::from_column(name, block.column(name)?, origins.as_ref())
}

/// Can a column of this type hold images?
pub fn accepted_input(data_type: &DataType) -> bool {
    types::is_image(data_type) || types::is_binary(data_type) || types::is_binary_file(data_type)
}

/// Fails unless the schema has the column and it can hold images.
pub fn check_image_input(schema: &Schema, name: &str) -> Result<()> {
    let Ok(field) = schema.field_with_name(name) else {
        let available: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        return Err(Error::column_not_found(name, &available));
    };
    if accepted_input(field.data_type()) { Ok(()) } else { Err(wrong_type(name, field.data_type())) }
}

fn wrong_type(name: &str, data_type: &DataType) -> Error {
    Error::schema(
        name,
        format!(
            "must be an image struct (origin, height, width, nChannels, mode, data), encoded bytes, or struct(path, \
             bytes), got {}",
            types::type_name(data_type)
        ),
    )
}
