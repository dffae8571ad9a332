//! One stage of a program, and the conversion of its bad rows to errors and masks.

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
    /// The stage's name for each column, and the column's source.
    pub inputs: Vec<(String, Ref)>,
    /// The identity of the stage and all stages before it, with sources numbered by first use.
    pub prefix: Arc<str>,
    /// The program's sources that the prefix uses, in the order of those numbers.
    pub sources: Vec<usize>,
    /// The columns it adds, for the types of the first batch. Usually all batches have the same types.
    planned: OnceLock<(Schema, Arc<[Field]>)>,
}

impl Node {
    pub fn new(stage: Arc<Built>, inputs: Vec<(String, Ref)>, prefix: Arc<str>, sources: Vec<usize>) -> Self {
        Self { stage, inputs, prefix, sources, planned: OnceLock::new() }
    }

    /// Builds the stage of a node and looks up its inputs, in the order in which it reads them.
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

    /// The columns it adds to input columns of these types. The plan for the types of the first batch is kept.
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
                "declared {} columns and produced {}",
                fields.len(),
                output.columns.len()
            ))));
        }
        let mut columns = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(output.columns) {
            if column.len() != block.rows() {
                return Err(fail(Error::runtime(format!("produced {} rows from {}", column.len(), block.rows()))));
            }
            columns.push(match column {
                Column::Arrow(array, _) => Column::Arrow(array, field.metadata().clone()),
                native @ Column::Native(_) => native,
            });
        }
        let names = fields.iter().map(|f| f.name().clone()).collect();
        Ok(NodeResult { names, columns, invalid: output.invalid })
    }

    /// Converts native columns to Arrow and collects the reasons of their null rows.
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

    /// True for the rows that are kept.
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

/// The reasons as a string column, null for good rows.
pub fn errors(invalid: &[RowError], rows: usize) -> ArrayRef {
    let mut texts: Vec<Option<&str>> = vec![None; rows];
    for bad in invalid {
        texts[bad.row] = Some(&bad.reason);
    }
    Arc::new(StringArray::from(texts))
}

/// The field of a reference to errors or a mask, which are not columns of a stage.
pub fn special_field(reference: &Ref) -> Field {
    match reference {
        Ref::Mask(_) => Field::new("mask", DataType::Boolean, false),
        _ => Field::new("errors", DataType::Utf8, true),
    }
}
