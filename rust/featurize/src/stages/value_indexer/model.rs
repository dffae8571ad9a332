//! `ValueIndexerModel`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::Float64Builder;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::types::ML_ATTR_KEY;
use mmlrs_core::{Block, Column, Context, Error, HandleInvalid, HasSample, Output, Rejects, Result, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use super::ValueIndexerParams;
use crate::levels::{Keys, LevelType, Levels};
use crate::stages::index_to_value::ORIGIN;

/// Replaces the values of a column by their indices, as fitted by `ValueIndexer`.
///
/// The index is a double, the position of the value in `levels`. The column has the levels as nominal attributes.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = model,
    maps_nulls = "missing values have their own index",
    example = r#"import pyarrow as pa
from mmlrs.featurize import ValueIndexerModel

table = pa.table({"size": ["small", "large"]})
model = ValueIndexerModel(inputCol="size", outputCol="index", levels=["small", "medium", "large"])
assert model.transform(table)["index"].to_pylist() == [0.0, 2.0]
"#
)]
pub struct ValueIndexerModel {
    #[param(group)]
    shared: ValueIndexerParams,
    /// The values in the order of their indices; infinities as "Infinity" and "-Infinity".
    #[param(required)]
    levels: Levels,
    /// The type of the values. If not set, the natural type of the levels: boolean, long, double or string.
    #[param(one_of("boolean", "byte", "short", "integer", "long", "float", "double", "string"))]
    data_type: Option<String>,
}

impl ValueIndexerModel {
    fn kind(&self) -> LevelType {
        self.levels.kind(self.data_type.as_ref())
    }

    fn keeps(&self) -> bool {
        self.shared.policy.0.handle_invalid == HandleInvalid::Keep
    }

    /// The nominal attributes. The member `mmlrs` is for `IndexToValue`; other readers ignore it.
    fn attributes(&self) -> serde_json::Value {
        let kind = self.kind();
        let mut texts: Vec<String> = self.levels.values().iter().map(|value| kind.text(value)).collect();
        if self.keeps() {
            texts.extend(["__unknown".to_owned(), "__missing".to_owned()]);
        }
        let origin = json!({"type": kind.name(), "levels": self.levels.values().len()});
        json!({"type": "nominal", "vals": texts, "name": self.shared.output_col, ORIGIN: origin})
    }

    /// Appends the index of each row. `find` returns the index of a row that has a value.
    fn write(
        &self,
        array: &ArrayRef,
        missing: &dyn Fn(usize) -> bool,
        find: &dyn Fn(usize) -> Option<u32>,
    ) -> Result<Output> {
        let kind = self.kind();
        let levels = self.levels.values().len() as f64;
        let mut rejects = Rejects::new(self.shared.policy.0.handle_invalid);
        let mut out = Float64Builder::with_capacity(array.len());
        for row in 0..array.len() {
            let lost = missing(row);
            if let Some(index) = (!lost).then(|| find(row)).flatten() {
                out.append_value(f64::from(index));
                continue;
            }
            let error = if lost {
                Error::decode(if array.is_null(row) { "is null" } else { "is NaN" })
            } else {
                unseen(array, row, kind)
            };
            rejects.reject(row, error.at_column(&self.shared.input_col))?;
            out.append_option(self.keeps().then_some(if lost { levels + 1.0 } else { levels }));
        }
        Ok(Output { columns: vec![Column::arrow(Arc::new(out.finish()))], invalid: rejects.into_rows() })
    }
}

fn unseen(array: &ArrayRef, row: usize, kind: LevelType) -> Error {
    let text = arrow_cast::display::array_value_to_string(array, row).unwrap_or_default();
    let shown = if kind == LevelType::String { format!("{text:?}") } else { text };
    Error::decode(format!("has the value {shown}, which is not one of the levels"))
}

impl Transform for ValueIndexerModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let name = &self.shared.input_col;
        self.levels.lookup(self.kind(), name, input.field_with_name(name)?.data_type())?;
        let metadata = HashMap::from([(ML_ATTR_KEY.to_owned(), self.attributes().to_string())]);
        Ok(vec![Field::new(&self.shared.output_col, DataType::Float64, true).with_metadata(metadata)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let array = block.column(&self.shared.input_col)?.to_arrow(cx)?;
        let lookup = self.levels.lookup(self.kind(), &self.shared.input_col, array.data_type())?;
        match Keys::new(&array, LevelType::of_column(&self.shared.input_col, array.data_type())?)? {
            Keys::Integers(keys) => {
                self.write(&array, &|row| keys.is_null(row), &|row| lookup.integer(keys.value(row)))
            }
            Keys::Texts(texts) => self.write(&array, &|row| texts.is_null(row), &|row| lookup.text(texts.value(row))),
        }
    }
}

impl HasSample for ValueIndexerModel {
    fn sample() -> Sample {
        let params =
            json!({"inputCol": "city", "outputCol": "index", "levels": ["Bern", "Oslo", "Rome"], "dataType": "string"});
        Sample::new(params, crate::sample::category_batch())
    }
}
