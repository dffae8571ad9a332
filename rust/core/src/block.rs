//! The columns of one batch, as input of a stage.

use std::collections::HashMap;

use arrow_schema::{DataType, Field, Schema};

use crate::{Column, Error, Result};

/// Named columns of equal length: the input of [`crate::Transform::transform`].
#[derive(Debug, Clone, Default)]
pub struct Block {
    rows: usize,
    columns: Vec<(String, Column)>,
    places: HashMap<String, usize>,
}

impl Block {
    /// A block of `rows` rows; every column must have that length.
    pub fn new(rows: usize, columns: Vec<(String, Column)>) -> Result<Self> {
        for (name, column) in &columns {
            if column.len() != rows {
                return Err(Error::schema(name, format!("has {} rows, expected {rows}", column.len())));
            }
        }
        let places = columns.iter().enumerate().rev().map(|(place, (name, _))| (name.clone(), place)).collect();
        Ok(Self { rows, columns, places })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column with that name.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.places.get(name).map(|place| &self.columns[*place].1).ok_or_else(|| {
            let available: Vec<String> = self.columns.iter().map(|(n, _)| n.clone()).collect();
            Error::column_not_found(name, &available)
        })
    }

    /// The Arrow schema of the columns.
    pub fn schema(&self) -> Schema {
        let fields: Vec<Field> = self.columns.iter().map(|(name, column)| column.field(name)).collect();
        Schema::new_with_metadata(fields, HashMap::new())
    }

    /// The Arrow type of one column.
    pub fn data_type(&self, name: &str) -> Result<DataType> {
        Ok(self.column(name)?.data_type())
    }
}
