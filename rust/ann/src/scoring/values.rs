//! The column of a network that answers values.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::Float64Builder;
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{
    Block, Column, Context, FloatRows, HandleInvalid, Output, Result, VectorType, columns_in_pieces, types,
};

use super::Scorer;
use crate::features::{Features, check_features};

/// A network whose outputs are values.
#[derive(Debug)]
pub struct Values<'a> {
    /// The network.
    pub scorer: Arc<Scorer>,
    /// The column that it reads.
    pub features: &'a str,
    /// The column that it adds.
    pub output: &'a str,
    /// The type of that column, or `None` for one number per row.
    pub form: Option<VectorType>,
}

impl Values<'_> {
    /// The column to add.
    pub fn fields(&self, input: &Schema) -> Result<Vec<Field>> {
        check_features(self.features, types::field_of(input, self.features)?, self.scorer.input())?;
        let number = || Field::new(self.output, DataType::Float64, true);
        Ok(vec![self.form.map_or_else(number, |form| form.field(self.output, self.scorer.outputs()))])
    }

    /// Computes the column.
    pub fn columns(&self, block: &Block, cx: &Context, policy: HandleInvalid) -> Result<Output> {
        let features = Features::new(block, self.features, self.scorer.input(), *cx)?;
        let size = self.scorer.outputs();
        let (columns, invalid) = columns_in_pieces(cx.threads, block.rows(), policy, |range, rejects| {
            let (mut scratch, mut row) = (vec![0.0; size], vec![0.0; size]);
            let mut numbers = Float64Builder::with_capacity(if self.form.is_none() { range.len() } else { 0 });
            let mut vectors = FloatRows::new(if self.form.is_some() { range.len() } else { 0 }, size)?;
            self.scorer.run(self.features, &features, range, rejects, |place, outputs| {
                if let Some(outputs) = outputs {
                    row.copy_from_slice(outputs);
                    self.scorer.predict(&mut row, &mut scratch);
                }
                match (self.form.is_some(), outputs.is_some()) {
                    (true, true) => vectors.fill(place).copy_from_slice(&row),
                    (true, false) => {}
                    (false, good) => numbers.append_option(good.then(|| f64::from(row[0]))),
                }
            })?;
            let array: ArrayRef = match self.form {
                Some(form) => vectors.into_column(form)?.to_arrow(cx)?,
                None => Arc::new(numbers.finish()),
            };
            Ok(vec![array])
        })?;
        let column = |array| match self.form {
            Some(VectorType::Vector) => Column::Arrow(array, types::vector_metadata(size)),
            _ => Column::arrow(array),
        };
        Ok(Output { columns: columns.into_iter().map(column).collect(), invalid })
    }
}
