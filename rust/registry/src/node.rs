//! One stage of a program, and how its bad rows become errors and masks.

use std::sync::{Arc, OnceLock};

use arrow_array::{ArrayRef, BooleanArray, StringArray};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, Error, HandleInvalid, ParamMap, Result, RowError};
use serde_json::Value;

use crate::Built;
use crate::memo::NodeResult;
use crate::spec::{NodeSpec, Ref};

/// A stage of a program with its inputs bound.
pub struct Node {
    pub stage: Arc<Built>,
    /// Column name as the stage knows it -> where it comes from.
    pub inputs: Vec<(String, Ref)>,
    /// The stage and all before it as text, sources numbered by first use.
    pub prefix: Arc<str>,
    /// The program's sources that the prefix uses, in the order of those numbers.
    pub sources: Vec<usize>,
    /// The columns it adds, for the input columns that it saw first: usually all batches have the same.
    planned: OnceLock<(Schema, Arc<[Field]>)>,
}

impl Node {
    pub fn new(stage: Arc<Built>, inputs: Vec<(String, Ref)>, prefix: Arc<str>, sources: Vec<usize>) -> Self {
        Self { stage, inputs, prefix, sources, planned: OnceLock::new() }
    }

    /// Builds the stage of a node and finds its inputs, in the order in which it reads them.
    pub fn build(spec: &NodeSpec) -> Result<(Built, Vec<(String, Ref)>)> {
        let Ok(Value::Object(params)) = serde_json::from_str(&spec.params) else {
            return Err(Error::param("params", "must be a JSON object"));
        };
        let stage = crate::find(&spec.stage)?.build(&ParamMap::new(&spec.uid, params))?;
        let bound = |name: String| {
            let reference = spec.inputs.get(&name).cloned().ok_or_else(|| {
                let available: Vec<String> = spec.inputs.keys().cloned().collect();
                Error::column_not_found(&name, &available).at_stage(stage.spec.name)
            })?;
            Ok((name, reference))
        };
        let inputs = stage.input_columns()?.into_iter().map(bound).collect::<Result<_>>()?;
        Ok((stage, inputs))
    }

    /// The columns it adds to input columns of these types; planned once for those of the first batch.
    fn fields(&self, input: &Schema) -> Result<Arc<[Field]>> {
        if let Some((schema, fields)) = self.planned.get()
            && schema == input
        {
            return Ok(fields.clone());
        }
        let fields: Arc<[Field]> = self.stage.output_fields(input)?.into();
        let _ = self.planned.set((input.clone(), fields.clone()));
        Ok(fields)
    }

    pub fn run(&self, block: &Block, cx: Context) -> Result<NodeResult> {
        let name = self.stage.spec.name;
        let fail = |e: Error| e.at_stage(name);
        let fields = self.fields(&block.schema())?;
        let output = self.stage.transform.transform(block, &cx).map_err(fail)?;
        if output.columns.len() != fields.len() {
            return Err(fail(Error::runtime(format!(
                "announced {} columns and produced {}",
                fields.len(),
                output.columns.len()
            ))));
        }
        let mut columns = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(output.columns) {
            if column.len() != block.rows() {
                return Err(fail(Error::runtime(format!("made {} rows of {}", column.len(), block.rows()))));
            }
            columns.push(match column {
                Column::Arrow(array, _) => Column::Arrow(array, field.metadata().clone()),
                native @ Column::Native(_) => native,
            });
        }
        let names = fields.iter().map(|f| f.name().clone()).collect();
        Ok(NodeResult { names, columns, invalid: output.invalid })
    }

    /// Turns native columns into Arrow and takes the reasons of their null rows along.
    pub fn materialize(&self, result: &NodeResult, cx: Context) -> Result<NodeResult> {
        let mut invalid = result.invalid.clone();
        let mut columns = Vec::with_capacity(result.columns.len());
        for column in &result.columns {
            columns.push(match column {
                Column::Native(native) => {
                    let done = native.materialize(&cx).map_err(|e| e.at_stage(self.stage.spec.name))?;
                    invalid.extend(done.invalid);
                    Column::arrow(done.array)
                }
                arrow @ Column::Arrow(..) => arrow.clone(),
            });
        }
        invalid.sort_by_key(|r| r.row);
        invalid.dedup_by_key(|r| r.row);
        Ok(NodeResult { names: result.names.clone(), columns, invalid })
    }

    /// True for the rows that stay.
    pub fn mask(&self, invalid: &[RowError], rows: usize) -> ArrayRef {
        let mut keep = vec![true; rows];
        if self.stage.policy.handle_invalid == HandleInvalid::Skip {
            for bad in invalid {
                keep[bad.row] = false;
            }
        }
        Arc::new(BooleanArray::from(keep))
    }
}

/// The reasons as a text column, null for good rows.
pub fn errors(invalid: &[RowError], rows: usize) -> ArrayRef {
    let mut texts: Vec<Option<&str>> = vec![None; rows];
    for bad in invalid {
        texts[bad.row] = Some(&bad.reason);
    }
    Arc::new(StringArray::from(texts))
}

/// The field of a reference that is not a column of a stage.
pub fn special_field(reference: &Ref) -> Field {
    match reference {
        Ref::Mask(_) => Field::new("mask", DataType::Boolean, false),
        _ => Field::new("errors", DataType::Utf8, true),
    }
}
