//! Arrow batches as rows to train on.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch};
use arrow_schema::DataType;
use mmlrs_core::types::type_name;
use mmlrs_core::vector::Vectors;
use mmlrs_core::{Block, Column, Context, Error, Result, ThreadBudget, doubles, fatal};
use serde::Deserialize;

use super::rows::{Dataset, Target};
use crate::features::{Features, push_vector};
use crate::loss::Loss;
use crate::network::Network;
use crate::shape::Shape;

/// The interval from 0 to 1, from which rounding may take a scaled number.
const UNIT: RangeInclusive<f32> = -1e-6..=1.0 + 1e-6;

/// What the label column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// Whole numbers from 0.
    Classes,
    /// Numbers, or vectors of one number per output.
    Values,
    /// There is none: the network reproduces its input.
    Input,
}

/// The columns to train on, and what to do with rows that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// The column of features.
    pub features: String,
    /// The column of labels.
    pub label: Option<String>,
    /// What it holds.
    pub labels: Labels,
    /// The column of weights.
    pub weight: Option<String>,
    /// The column that marks rows to validate on.
    pub held_out: Option<String>,
    /// Whether rows that cannot be used are left out.
    pub skips: bool,
    /// The param that says how many classes there are, for errors.
    pub sized_by: String,
}

/// Reads batches into memory.
#[derive(Debug)]
pub struct Reader {
    columns: Columns,
    input: Shape,
    outputs: usize,
    /// Whether the loss reads targets from 0 to 1 only.
    is_unit: bool,
    /// The rows so far.
    pub data: Dataset,
    /// Number of rows left out.
    pub skipped: u64,
}

/// The labels of a batch.
#[expect(clippy::large_enum_variant, reason = "one per batch, never in a list")]
enum Read {
    Numbers(Float64Array),
    Vectors(Vectors),
    None,
}

impl Reader {
    /// Reads rows for a network.
    pub fn new(columns: Columns, network: &Network, data: Dataset) -> Self {
        let is_unit = matches!(network.loss(), Loss::SigmoidCrossEntropy {});
        let (input, outputs) = (network.input(), network.output().len());
        Self { columns, input, outputs, is_unit, data, skipped: 0 }
    }

    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// A column is missing or has a wrong type, or a row cannot be used and is not to be skipped.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str| -> Result<ArrayRef> {
            let place = batch.schema().index_of(name)?;
            Ok(batch.column(place).clone())
        };
        let names = self.columns.clone();
        let field = batch.schema().field_with_name(&names.features)?.clone();
        let features = Column::Arrow(column(&names.features)?, field.metadata().clone());
        let block = Block::new(batch.num_rows(), vec![(names.features.clone(), features)])?;
        let cx = Context { threads: ThreadBudget::new(1) };
        let features = Features::new(&block, &names.features, self.input, cx)?;
        let labels = match &names.label {
            None => Read::None,
            Some(name) => read_labels(name, &column(name)?, names.labels, self.outputs)?,
        };
        let weights = names.weight.as_ref().map(|name| doubles(name, &column(name)?)).transpose()?;
        let held_out = names.held_out.as_ref().map(|name| booleans(name, &column(name)?)).transpose()?;
        let (mut x, mut y) = (Vec::with_capacity(self.input.len()), Vec::with_capacity(self.outputs));
        for row in 0..batch.num_rows() {
            x.clear();
            y.clear();
            let read = self.row(row, &features, &labels, weights.as_ref(), (&mut x, &mut y));
            let read = read.and_then(|read| Ok((read, self.held_out(row, held_out.as_ref())?)));
            let ((target, weight), is_held_out) = match read {
                Ok(read) => read,
                Err(_) if names.skips => {
                    self.skipped += 1;
                    continue;
                }
                Err(error) => return Err(fatal(error, row)),
            };
            let target = match target {
                Some(class) => Target::Class(class),
                None if matches!(labels, Read::None) => Target::Input,
                None => Target::Values(&y),
            };
            self.data.push(&x, target, weight, is_held_out)?;
        }
        Ok(())
    }

    /// Whether a row is held out, if a column says so.
    fn held_out(&self, row: usize, marks: Option<&BooleanArray>) -> Result<Option<bool>> {
        match marks {
            Some(marks) if marks.is_null(row) => {
                let name = self.columns.held_out.as_deref().unwrap_or_default();
                Err(Error::decode("is null").at_column(name))
            }
            Some(marks) => Ok(Some(marks.value(row))),
            None => Ok(None),
        }
    }

    /// Reads one row: the class, if there are classes, and the weight.
    fn row(
        &self,
        row: usize,
        features: &Features,
        labels: &Read,
        weights: Option<&Float64Array>,
        (x, y): (&mut Vec<f32>, &mut Vec<f32>),
    ) -> Result<(Option<u32>, f32)> {
        let at = |name: &str, cause: String| Error::decode(cause).at_column(name);
        features.push(row, x)?.map_err(|error| error.at_column(&self.columns.features))?;
        let name = self.columns.label.as_deref().unwrap_or_default();
        let class = match labels {
            Read::None => None,
            Read::Numbers(numbers) if self.columns.labels == Labels::Classes => {
                let value = (!numbers.is_null(row)).then(|| numbers.value(row));
                Some(self.class(value).map_err(|cause| at(name, cause))?)
            }
            Read::Numbers(numbers) => {
                let value =
                    (!numbers.is_null(row)).then(|| numbers.value(row)).ok_or_else(|| at(name, "is null".into()))?;
                if !(value as f32).is_finite() {
                    return Err(at(name, format!("is {}", beyond(value))));
                }
                y.push(value as f32);
                None
            }
            Read::Vectors(vectors) => {
                push_vector(vectors, row, self.outputs, y)
                    .map_err(|cause| at(name, cause.replace("the network reads", "the network answers")))?;
                None
            }
        };
        if self.is_unit {
            let (targets, name, remedy) = match labels {
                Read::None => (&*x, &self.columns.features[..], "set `dataIn01Interval` to False"),
                _ => (&*y, name, "set `loss` to \"squared\""),
            };
            if let Some(target) = targets.iter().find(|target| !UNIT.contains(*target)) {
                let cause =
                    format!("has {target}, but the loss needs numbers from 0 to 1; scale the column, or {remedy}");
                return Err(at(name, cause));
            }
        }
        let weight = match (weights, &self.columns.weight) {
            (Some(weights), Some(name)) => {
                let weight = (!weights.is_null(row)).then(|| weights.value(row));
                let weight = weight.ok_or_else(|| at(name, "is null".into()))?;
                if !(weight as f32).is_finite() || weight < 0.0 {
                    return Err(at(name, format!("is {}; a weight is a number of at least 0", beyond(weight))));
                }
                weight as f32
            }
            _ => 1.0,
        };
        Ok((class, weight))
    }

    fn class(&self, label: Option<f64>) -> Result<u32, String> {
        let classes = self.outputs;
        match label {
            None => Err("is null".to_owned()),
            Some(label) if label.is_nan() => Err("is NaN".to_owned()),
            Some(label) if label < 0.0 || label.fract() != 0.0 => Err(format!(
                "is {}; a class is a whole number from 0, which ValueIndexer makes of other labels",
                shown(label)
            )),
            Some(label) if label >= classes as f64 => Err(format!(
                "is {}, but {} says that there are {classes} classes, from 0 to {}; ValueIndexer makes such numbers of other labels",
                shown(label),
                self.columns.sized_by,
                classes - 1
            )),
            Some(label) => Ok(label as u32),
        }
    }
}

fn read_labels(name: &str, array: &ArrayRef, labels: Labels, outputs: usize) -> Result<Read> {
    let is_number = array.data_type().is_numeric() || *array.data_type() == DataType::Boolean;
    if is_number && labels == Labels::Values && outputs != 1 {
        let cause = format!("has one number in each row, but the network answers {outputs} numbers");
        return Err(Error::schema(name, cause));
    }
    if is_number || labels == Labels::Classes {
        return doubles(name, array).map(Read::Numbers);
    }
    Vectors::from_array(name, array).map(Read::Vectors)
}

fn booleans(name: &str, array: &ArrayRef) -> Result<BooleanArray> {
    match array.data_type() {
        DataType::Boolean => Ok(array.as_boolean().clone()),
        kind => Err(Error::schema(name, format!("has type {}; expected booleans", type_name(kind)))),
    }
}

/// A number that single precision may not hold.
fn beyond(number: f64) -> String {
    let is_too_large = number.is_finite() && !(number as f32).is_finite();
    format!("{}{}", shown(number), if is_too_large { ", which is beyond single precision" } else { "" })
}

/// A number without hundreds of digits.
fn shown(number: f64) -> String {
    if number.abs() < 1e15 { number.to_string() } else { format!("{number:e}") }
}
