//! `CleanMissingDataModel`.

use arrow_array::{ArrayRef, new_empty_array};
use arrow_schema::{Field, Schema};
use mmlrs_core::types::type_name;
use mmlrs_core::{Block, Column, Context, Error, HasSample, Output, Result, Sample, Transform, ValueList};
use mmlrs_macros::Stage;
use serde_json::{Value, json};

use super::{CleanMissingDataParams, fillable};
use crate::fill::filled;

/// Fills missing values, null or NaN, as fitted by `CleanMissingData`.
///
/// Columns keep their type. On Spark, plain columns are cleaned by an expression of the JVM, without a Python pass. Columns of
/// native stages are cleaned in the pass of those stages. Replacing a column of a native stage ends that pass.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    body = extended,
    kind = model,
    example = r#"import pyarrow as pa
from mmlrs.featurize import CleanMissingDataModel

table = pa.table({"age": [31.0, None, float("nan")]})
model = CleanMissingDataModel(inputCols=["age"], outputCols=["known_age"], fillValues=[40.0])
assert model.transform(table)["known_age"].to_pylist() == [31.0, 40.0, 40.0]
"#
)]
pub struct CleanMissingDataModel {
    #[param(group)]
    shared: CleanMissingDataParams,
    /// The fill value of each column. Those of decimal columns are strings.
    #[param(required, non_empty)]
    fill_values: ValueList,
}

impl Transform for CleanMissingDataModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let pairs = self.shared.pairs()?;
        let fills = self.fill_values.0.len();
        if fills != pairs.len() {
            return Err(Error::param(
                "fillValues",
                format!("must have {} values, one for each column, got {fills}", pairs.len()),
            ));
        }
        let mut fields = Vec::with_capacity(fills);
        for ((from, to), fill) in pairs.iter().zip(&self.fill_values.0) {
            let data_type = fillable(input, from)?.data_type();
            fill_column(&new_empty_array(data_type), from, fill)?;
            fields.push(Field::new(*to, data_type.clone(), true));
        }
        Ok(fields)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let mut columns = Vec::with_capacity(self.fill_values.0.len());
        for (name, fill) in self.shared.input_cols.iter().zip(&self.fill_values.0) {
            columns.push(Column::arrow(fill_column(&block.column(name)?.to_arrow(cx)?, name, fill)?));
        }
        Ok(Output { columns, invalid: Vec::new() })
    }
}

fn fill_column(array: &ArrayRef, name: &str, fill: &Value) -> Result<ArrayRef> {
    filled(array, fill).unwrap_or_else(|| {
        let message =
            format!("must be a value of type {} for column `{name}`, got {fill}", type_name(array.data_type()));
        Err(Error::param("fillValues", message))
    })
}

impl HasSample for CleanMissingDataModel {
    fn sample() -> Sample {
        let params = json!({
            "inputCols": ["age", "visits"], "outputCols": ["age_clean", "visits_clean"], "fillValues": [38.5, 3],
        });
        Sample::new(params, crate::sample::incomplete_batch())
    }
}
