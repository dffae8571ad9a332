//! One stage of a program, and how its bad rows become reasons and masks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, StringArray};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{Block, Column, Context, Error, HandleInvalid, ParamMap, Result, RowError};
use serde_json::Value;

use crate::Built;
use crate::memo::NodeResult;

/// Where a value of a program comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    /// The n-th source column.
    Source(usize),
    /// A column of the n-th node.
    Column(usize, String),
    /// Why rows of the n-th node are null: text, null for good rows.
    Reasons(usize),
    /// Which rows of the n-th node stay: false for rows that its policy drops.
    Valid(usize),
}

impl Ref {
    pub fn parse(value: &Value) -> Result<Self> {
        let index = |key: &str| value.get(key).and_then(Value::as_u64).map(|i| i as usize);
        if let Some(source) = index("source") {
            return Ok(Self::Source(source));
        }
        let node = index("node").ok_or_else(|| Error::param("program", format!("has a bad reference {value}")))?;
        match (value.get("column").and_then(Value::as_str), value.get("what").and_then(Value::as_str)) {
            (Some(column), _) => Ok(Self::Column(node, column.to_owned())),
            (None, Some("reasons")) => Ok(Self::Reasons(node)),
            (None, Some("valid")) => Ok(Self::Valid(node)),
            _ => Err(Error::param("program", format!("has a bad reference {value}"))),
        }
    }
}

/// A stage of a program with its inputs bound.
pub struct Node {
    pub built: Built,
    /// Column name as the stage knows it -> where it comes from.
    pub inputs: Vec<(String, Ref)>,
    /// The stage and all before it as text, sources numbered by first use.
    pub prefix: Arc<str>,
    /// The program's sources that the prefix uses, in the order of those numbers.
    pub sources: Vec<usize>,
}

impl Node {
    pub fn parse(value: &Value) -> Result<(Built, Vec<(String, Ref)>)> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        let params = value.get("params").and_then(Value::as_object).cloned().unwrap_or_default();
        let built = crate::find(text("stage"))?.build(&ParamMap::new(text("uid"), params))?;
        let bound: BTreeMap<String, Ref> = value
            .get("inputs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, reference)| Ok((name.clone(), Ref::parse(reference)?)))
            .collect::<Result<_>>()?;
        let inputs = built
            .input_columns()?
            .into_iter()
            .map(|name| {
                let reference = bound.get(&name).cloned().ok_or_else(|| {
                    let available: Vec<String> = bound.keys().cloned().collect();
                    Error::column_not_found(&name, &available).at_stage(built.spec.name)
                })?;
                Ok((name, reference))
            })
            .collect::<Result<_>>()?;
        Ok((built, inputs))
    }

    pub fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let name = self.built.spec.name;
        self.built.check_types(input)?;
        self.built.transform.output_fields(input).map_err(|e| e.at_stage(name))
    }

    pub fn run(&self, block: &Block, cx: Context) -> Result<NodeResult> {
        let name = self.built.spec.name;
        let fail = |e: Error| e.at_stage(name);
        let fields = self.output_fields(&block.schema())?;
        let output = self.built.transform.transform(block, &cx).map_err(fail)?;
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
                    let done = native.materialize(&cx).map_err(|e| e.at_stage(self.built.spec.name))?;
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
    pub fn valid(&self, invalid: &[RowError], rows: usize) -> ArrayRef {
        let mut keep = vec![true; rows];
        if self.built.policy.handle_invalid == HandleInvalid::Skip {
            for bad in invalid {
                keep[bad.row] = false;
            }
        }
        Arc::new(BooleanArray::from(keep))
    }
}

/// The reasons as a text column, null for good rows.
pub fn reasons(invalid: &[RowError], rows: usize) -> ArrayRef {
    let mut texts: Vec<Option<&str>> = vec![None; rows];
    for bad in invalid {
        texts[bad.row] = Some(&bad.reason);
    }
    Arc::new(StringArray::from(texts))
}

/// The field of a reference that is not a column of a stage.
pub fn special_field(reference: &Ref) -> Field {
    match reference {
        Ref::Valid(_) => Field::new("valid", DataType::Boolean, false),
        _ => Field::new("reasons", DataType::Utf8, true),
    }
}
