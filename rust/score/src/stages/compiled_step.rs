//! `CompiledStep`.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, FileSource, HasSample, Once, Output, Result, RowPolicy, Sample, Transform,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::definition::Definition;
use crate::step::{Inputs, Step};

/// One fitted stage of Spark ML, or of another library, as a native kernel.
///
/// `mmlrs.compile` and `mmlrs.from_estimator` make these steps. The results are those of the original: equal predictions, and
/// scores that differ by rounding only. The definition is a JSON document with the fitted params.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "compiled",
    kind = model,
    maps_nulls = "the fitted stage decides what a missing value becomes",
    embeds_column_names = "a definition may contain column names, which are hashed",
    example = r#"import json

import pyarrow as pa
from mmlrs.compiled import CompiledStep

definition = {"version": 1, "kind": "affine", "scale": [0.5, 2.0]}
step = CompiledStep(inputCols=["v"], outputCols=["scaled"], origin="StandardScalerModel",
                    definition=json.dumps(definition).encode())
table = step.transform(pa.table({"v": [[4.0, 1.0]]}))
assert table["scaled"][0].as_py()["values"] == [2.0, 2.0]
"#
)]
pub struct CompiledStep {
    /// Names of the columns that the step reads, in its order.
    #[param(required, non_empty, role = input, accepts(sparse_vector, any))]
    input_cols: Vec<String>,
    /// Names of the columns to add, in the step's order.
    #[param(required, non_empty, role = output)]
    output_cols: Vec<String>,
    /// The class of the fitted stage, which errors name.
    #[param(required, non_empty)]
    origin: String,
    /// What the columns hold, for functions whose arguments have no types until they run.
    #[expect(dead_code, reason = "only Python reads it")]
    #[param(default = "vector", one_of("number", "string", "tokens", "vector"))]
    reads: String,
    /// The fitted params: a JSON document.
    #[param(required)]
    definition: FileSource,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    step: Once<Box<dyn Step>>,
}

impl CompiledStep {
    fn step(&self) -> Result<Arc<Box<dyn Step>>> {
        self.step.get_or_make(|| {
            let step = Definition::parse(&self.definition.read()?)?;
            match step.arity() {
                Some(arity) if arity != self.input_cols.len() => {
                    let message = format!("must name {arity} columns, got {}", self.input_cols.len());
                    Err(Error::param("inputCols", message))
                }
                _ => Ok(step),
            }
        })
    }
}

impl Transform for CompiledStep {
    /// Those of `inputCols`, once the definition is checked.
    fn resolved_inputs(&self) -> Result<Option<Vec<String>>> {
        self.step().map(|_| None)
    }

    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let fields: Vec<&Field> =
            self.input_cols.iter().map(|name| Ok(input.field_with_name(name)?)).collect::<Result<_>>()?;
        let added = self.step()?.fields(&fields, &self.output_cols).map_err(|e| e.at_stage(&self.origin))?;
        if added.len() != self.output_cols.len() {
            let message = format!("must name {} columns, got {}", added.len(), self.output_cols.len());
            return Err(Error::param("outputCols", message));
        }
        Ok(added)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let arrays: Vec<ArrayRef> =
            self.input_cols.iter().map(|name| block.column(name)?.to_arrow(cx)).collect::<Result<_>>()?;
        let inputs =
            Inputs { names: &self.input_cols, arrays, rows: block.rows(), cx: *cx, policy: self.policy.handle_invalid };
        let done = self.step()?.run(&inputs).map_err(|e| e.at_stage(&self.origin))?;
        Ok(Output { columns: done.columns.into_iter().map(Column::arrow).collect(), invalid: done.invalid })
    }
}

impl HasSample for CompiledStep {
    fn sample() -> Sample {
        let definition = json!({"version": 1, "kind": "affine", "scale": [1.0, 2.0, 0.5, 1.0, 1.0, -1.0]});
        let params = json!({
            "inputCols": ["counts"], "outputCols": ["scaled"], "origin": "CompiledStep",
            "definition": FileSource::of(definition.to_string().as_bytes()).to_value(),
        });
        Sample::new(params, crate::sample::vector_batch())
    }
}
