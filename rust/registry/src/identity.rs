//! `Identity`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Context, HasSample, Output, Result, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

/// Copies a column under another name. This native stage does no work; use it to test and to measure other stages.
///
/// The copy has the type, the metadata and the nulls of the column. Sparse Spark ML vectors stay sparse. No memory is copied.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "testing",
    kind = transformer,
    accepts_nulls = "null stays null",
    example = r#"import pyarrow as pa
from mmlrs.testing import Identity

table = pa.table({"a": [1, None]})
table = Identity(inputCol="a", outputCol="b").transform(table)
assert table["b"].to_pylist() == [1, None]
"#
)]
pub struct Identity {
    /// Name of the column to copy.
    #[param(required, non_empty, role = input, accepts(sparse_vector, any))]
    input_col: String,
    /// Name of the copy to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
}

impl Transform for Identity {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let field = input.field_with_name(&self.input_col)?;
        Ok(vec![field.clone().with_name(&self.output_col).with_nullable(true)])
    }

    fn transform(&self, block: &Block, _cx: &Context) -> Result<Output> {
        Ok(Output { columns: vec![block.column(&self.input_col)?.clone()], invalid: Vec::new() })
    }
}

impl HasSample for Identity {
    fn sample() -> Sample {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None, Some(1), Some(2)]));
        let schema = Arc::new(Schema::new(vec![Field::new("number", DataType::Int64, true)]));
        let data = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]);
        let params = json!({"inputCol": "number", "outputCol": "copy"});
        Sample::new(params, data.unwrap_or_else(|_| RecordBatch::new_empty(schema)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::StringArray;
    use mmlrs_core::{Column, ParamMap, Stage, ThreadBudget};
    use serde_json::Map;

    use super::*;

    #[test]
    fn the_copy_is_the_column() {
        let pairs = [("inputCol".to_owned(), json!("a")), ("outputCol".to_owned(), json!("b"))];
        let params: Map<_, _> = pairs.into_iter().collect();
        let stage = Identity::from_params(&ParamMap::new("uid", params)).unwrap();
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
        let field = Field::new("a", DataType::Utf8, true).with_metadata([("k".into(), "v".into())].into());
        let planned = stage.output_fields(&Schema::new(vec![field.clone()])).unwrap();
        assert_eq!(planned, [field.with_name("b")]);
        let block = Block::new(2, vec![("a".to_owned(), Column::arrow(Arc::clone(&texts)))]).unwrap();
        let cx = Context { threads: ThreadBudget::new(1) };
        let out = stage.transform(&block, &cx).unwrap();
        assert_eq!(&out.columns[0].to_arrow(&cx).unwrap(), &texts);
        assert!(out.invalid.is_empty());
    }
}
