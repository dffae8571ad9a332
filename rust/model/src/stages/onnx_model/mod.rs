//! `ONNXModel`: any ONNX model over columns of numbers, strings, vectors, arrays and tensors.

mod answers;
mod feed;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, HasSample, ModelSource, Once, Output, Result, RowPolicy, Sample, StrMap, Transform,
    VectorType, put_blob, types,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::answers::{AnswerParams, answers_field};
use crate::graph::dim::Dim;
use crate::graph::image_meta::ImageMeta;
use crate::graph::info::{ValueInfo, ValueKind};
use crate::graph::prepared::Prepared;
use crate::prepare::portable::portable;
use crate::prepare::ranks::learned_rank;
use crate::prepare::{computes, model_info, prepare, prepared_for};
use crate::runtime::run_params::RunParams;
use crate::sample::sample_model;
use crate::tensor::input::{InputColumn, check_input};
use crate::tensor::results::{OutputType, output_field};
use answers::Answering;
use feed::{feeds, fetches};

/// Runs an ONNX model over columns.
///
/// Rows run through the model in mini-batches. Rows whose arrays have different shapes are grouped by shape. `feedDict` maps
/// model inputs to columns, and `fetchDict` maps new columns to outputs. An internal tensor of the graph can be fetched like an
/// output, and nodes that it does not depend on are not computed. Numbers are cast to the input's element type, and a number
/// out of its range is a bad row. For a BOOL input, any nonzero number is true. A flat array is reshaped to the declared shape.
/// A model exported with a fixed batch of 1 also runs in mini-batches, if its graph allows it.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "onnx",
    body = extended,
    kind = transformer,
    example = "
import pyarrow as pa
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_model

table = pa.table({\"x\": [[0.0, 1.0, 2.0, 3.0], [3.0, 2.0, 1.0, 0.0]]})
model = ONNXModel(model=sample_model(), inputCol=\"x\", fetchDict={\"p\": \"scores\", \"f\": \"features\"},
                  argMaxDict={\"p\": \"best\"})
out = model.transform(table)
assert out.column_names == [\"x\", \"p\", \"f\", \"best\"]
"
)]
pub struct ONNXModel {
    /// The ONNX model: a path, bytes, or a handle from `mmlrs.models`.
    #[param(required)]
    model: ModelSource,
    /// Name of the column for the model's only input. For several inputs use feedDict. If neither is set, each input reads the
    /// column with its name.
    #[param(role = input, accepts(numeric, text, vector, array, tensor))]
    input_col: Option<String>,
    /// Name of the column for the model's only output. For several outputs use fetchDict.
    #[param(role = output)]
    output_col: Option<String>,
    /// Map from model input to the name of its column.
    #[param(role = input, accepts(numeric, text, vector, array, tensor, any))]
    feed_dict: Option<StrMap>,
    /// Map from new column to model output or internal tensor. If not set, every output becomes a column with its own name.
    #[param(role = output)]
    fetch_dict: Option<StrMap>,
    /// Map from a column of fetchDict to the name of a new column with its softmax as a vector.
    #[param(default = {})]
    soft_max_dict: StrMap,
    /// Map from a column of fetchDict to the name of a new column with the index of its largest value (for a map, its key).
    #[param(default = {})]
    arg_max_dict: StrMap,
    /// Map from a column of fetchDict to the name of a new column with its `topK` most probable classes: an array of structs
    /// `class`, `description` and `probability`, the most probable class first. The output has one score per class, or maps from
    /// classes to probabilities.
    #[param(default = {})]
    top_k_dict: StrMap,
    #[param(group)]
    answers: AnswerParams,
    #[param(group)]
    run: RunParams,
    /// Form of the new columns: "array" (nested according to the shape), "vector" (all values of a row as one vector) or
    /// "tensor" (dtype, shape and bytes).
    #[param(default = "array", one_of("array", "vector", "tensor"))]
    output_type: String,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The combination of the params and the model: inputs, prepared model and outputs.
struct Plan {
    prepared: Arc<Prepared>,
    /// `(model input, column)`
    feeds: Vec<(String, String)>,
    /// `(new column, model output)`
    fetches: Vec<(String, String)>,
    /// `(fetched column, new column, how to read its scores)`
    answers: Vec<(String, String, Answering)>,
}

impl ONNXModel {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let full_info = model_info(&self.model)?;
        let is_tensor = |name: &str| computes(&self.model, name).unwrap_or(false);
        let fetches = fetches(&full_info, self.fetch_dict.as_ref(), self.output_col.as_deref(), &is_tensor)?;
        let mut distinct = HashSet::new();
        let tensors: Vec<String> =
            fetches.iter().map(|(_, t)| t.clone()).filter(|t| distinct.insert(t.clone())).collect();
        let prepared = prepare(&self.model, &tensors)?;
        // A model that the driver cut lacks the inputs that the cut does not need.
        let full_model = if prepared_for(&self.model)?.is_some() { None } else { Some(full_info.as_ref()) };
        let feeds = feeds(full_model, &prepared.info, self.feed_dict.as_ref(), self.input_col.as_deref())?;
        self.run.check()?;
        self.check_names(&fetches)?;
        let mut plan = Plan { prepared, feeds, fetches, answers: Vec::new() };
        if self.top_k_dict.0.is_empty() {
            if self.answers.labels.is_some() {
                let column = plan.fetches.first().map_or("scores", |(column, _)| column);
                let message =
                    format!("is set, but no column is for the answers; set topKDict={{\"{column}\": \"answers\"}}");
                return Err(Error::param("labels", message));
            }
            return Ok(plan);
        }
        let meta = ImageMeta::of(&full_info)?;
        for (source, column) in &self.top_k_dict.0 {
            let answering = Answering::of(&self.answers, &self.model, &meta, plan.fetched(source)?)?;
            plan.answers.push((source.clone(), column.clone(), answering));
        }
        Ok(plan)
    }

    /// Checks that the names of new columns are distinct, and that softmax and argmax read existing columns.
    fn check_names(&self, fetches: &[(String, String)]) -> Result<()> {
        let mut new: HashSet<&str> = fetches.iter().map(|(c, _)| c.as_str()).collect();
        let dicts =
            [("softMaxDict", &self.soft_max_dict), ("argMaxDict", &self.arg_max_dict), ("topKDict", &self.top_k_dict)];
        for (param, dict) in dicts {
            for (source, column) in &dict.0 {
                if !fetches.iter().any(|(c, _)| c == source) {
                    let swapped = fetches.iter().any(|(c, _)| c == column);
                    let hint = if swapped { format!("; write {{\"{column}\": \"{source}\"}}") } else { String::new() };
                    return Err(Error::param(
                        param,
                        format!("maps output column -> new column, but `{source}` is not an output column{hint}"),
                    ));
                }
                if !new.insert(column) {
                    return Err(Error::param(param, format!("names the new column `{column}` a second time")));
                }
            }
        }
        Ok(())
    }

    fn read_inputs(plan: &Plan, block: &Block, cx: Context) -> Result<Vec<(String, String, InputColumn)>> {
        plan.feeds
            .iter()
            .map(|(input, column)| {
                let array = block.column(column)?.to_arrow(&cx)?;
                let data = InputColumn::read(column, &array, plan.input(input)?)?;
                Ok((input.clone(), column.clone(), data))
            })
            .collect()
    }
}

impl Plan {
    fn input(&self, name: &str) -> Result<&ValueInfo> {
        self.prepared.info.input(name).ok_or_else(|| Error::model(format!("the model has no input `{name}`")))
    }

    fn output(&self, name: &str) -> Result<&ValueInfo> {
        self.prepared.info.output(name).ok_or_else(|| Error::model(format!("the model has no output `{name}`")))
    }

    /// The declared output of a column. If the graph declares no rank, that of the data decides.
    fn announced(&self, tensor: &str, form: OutputType, schema: &Schema) -> Result<ValueInfo> {
        let info = self.output(tensor)?;
        let Some(element) = info.element().filter(|_| form == OutputType::Array && info.shape().is_none()) else {
            return Ok(info.clone());
        };
        let mut types = Vec::with_capacity(self.feeds.len());
        for (input, column) in &self.feeds {
            types.push((input.as_str(), schema.field_with_name(column)?.data_type()));
        }
        let shape = learned_rank(&self.prepared, tensor, &types).map(|rank| vec![Dim::Any; rank]);
        Ok(ValueInfo { name: info.name.clone(), kind: ValueKind::Tensor(element, shape) })
    }

    fn fetched(&self, column: &str) -> Result<&ValueInfo> {
        let fetch = self.fetches.iter().find(|(c, _)| c == column);
        self.output(fetch.map_or(column, |(_, tensor)| tensor))
    }
}

impl Transform for ONNXModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let plan = self.plan()?;
        for (name, column) in &plan.feeds {
            let field = types::field_of(input, column)?;
            check_input(column, field.data_type(), plan.input(name)?)?;
        }
        let form = OutputType::parse(&self.output_type);
        let mut fields: Vec<Field> = Vec::new();
        for (column, tensor) in &plan.fetches {
            fields.push(output_field(column, &plan.announced(tensor, form, input)?, form)?);
        }
        for (source, column) in &self.soft_max_dict.0 {
            fields.push(VectorType::Vector.field(column, plan.fetched(source)?.row_size()));
        }
        for (_, column) in &self.arg_max_dict.0 {
            fields.push(Field::new(column, DataType::Float64, true));
        }
        fields.extend(plan.answers.iter().map(|(_, column, _)| answers_field(column)));
        Ok(fields)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let fields = self.output_fields(&block.schema())?;
        let plan = self.plan()?;
        let inputs = Self::read_inputs(&plan, block, *cx)?;
        let runner = self.run.runner(&plan.prepared, self.row_policy.handle_invalid, *cx, true)?;
        let (collected, mut rejects) = runner.run(&inputs, block.rows())?;
        let mut by_tensor: HashMap<String, _> =
            plan.prepared.info.outputs.iter().map(|o| o.name.clone()).zip(collected).collect();
        let lacking = || Error::runtime("a fetched output is missing");
        // Softmax, argmax and answers read the values before the first columns consume them.
        let mut derived: Vec<ArrayRef> = Vec::new();
        for (source, _) in &self.soft_max_dict.0 {
            let info = plan.fetched(source)?;
            derived.push(by_tensor.get(&info.name).ok_or_else(lacking)?.softmax(info.row_size())?);
        }
        for (source, _) in &self.arg_max_dict.0 {
            derived.push(by_tensor.get(&plan.fetched(source)?.name).ok_or_else(lacking)?.argmax());
        }
        for (source, _, answering) in &plan.answers {
            let collected = by_tensor.get(&plan.fetched(source)?.name).ok_or_else(lacking)?;
            derived.push(answering.answers(collected, self.answers.top_k, &mut rejects)?);
        }
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (at, (_, tensor)) in plan.fetches.iter().enumerate() {
            // The same tensor may be fetched under two names, which then share the array.
            let earlier = plan.fetches[..at].iter().position(|(_, t)| t == tensor);
            arrays.push(match earlier {
                Some(earlier) => arrays[earlier].clone(),
                None => by_tensor.remove(tensor).ok_or_else(lacking)?.into_array(&fields[at])?,
            });
        }
        arrays.extend(derived);
        let columns = arrays.into_iter().zip(fields).map(|(a, f)| Column::Arrow(a, f.metadata().clone())).collect();
        Ok(Output { columns, invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        Ok(self.plan()?.prepared.notes.clone())
    }

    fn resolved_inputs(&self) -> Result<Option<Vec<String>>> {
        Ok(Some(self.plan()?.feeds.iter().map(|(_, column)| column.clone()).collect()))
    }
}

impl HasSample for ONNXModel {
    fn sample() -> Sample {
        let values: Vec<f32> = (0..24u8).map(|i| f32::from(i % 7) - 3.0).collect();
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let rows = FixedSizeListArray::try_new(item, 4, Arc::new(Float32Array::from(values)), None);
        let data = rows
            .and_then(|rows| {
                let schema = Schema::new(vec![Field::new("x", rows_type(), true)]);
                RecordBatch::try_new(Arc::new(schema), vec![Arc::new(rows) as ArrayRef])
            })
            .unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(Schema::empty())));
        let params = json!({
            "model": {"sha256": put_blob(&sample_model())},
            "inputCol": "x",
            "fetchDict": {"p": "scores", "f": "features"},
            "argMaxDict": {"p": "best"},
        });
        Sample::new(params, data)
    }
}

fn rows_type() -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 4)
}

#[cfg(test)]
mod tests;
