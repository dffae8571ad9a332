//! Class scores as answers: the most probable classes of each row, with their names.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, StringBuilder};
use arrow_array::{ListArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use mmlrs_core::{Error, ModelSource, Rejects, Result};
use mmlrs_macros::ParamGroup;
use onnx_protobuf::NodeProto;

use crate::graph::image_meta::ImageMeta;
use crate::graph::source::load;
use mmlrs_core::FloatRows;

/// The params of every stage that answers with classes.
#[derive(Debug, Clone, ParamGroup)]
pub struct AnswerParams {
    /// Names of the classes, in the order of the network's scores. If not set, those of the model's metadata.
    #[param()]
    pub labels: Option<Vec<String>>,
    /// Number of classes in an answer. If the network has fewer, all of them.
    #[param(default = 5, min(1))]
    pub top_k: usize,
    /// How scores become probabilities. "auto" means that of the model's metadata, else "none" if the graph ends with a softmax
    /// or a sigmoid, else "sigmoid" for one class and "softmax" for several. "sigmoid" suits networks that find several objects in an image.
    #[param(default = "auto", one_of("auto", "softmax", "sigmoid", "none"))]
    pub activation: String,
}

/// How scores become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// They are probabilities already.
    None,
    /// exp(score) over the sum of all classes.
    Softmax,
    /// 1 / (1 + exp(-score)) for each class, whose probabilities then do not add up to 1.
    Sigmoid,
}

impl Activation {
    /// The activation of the param. "auto" means that of the metadata, else none if the graph ends with a softmax or a sigmoid,
    /// else sigmoid for one class and softmax for several.
    pub fn of(param: &str, meta: &ImageMeta, source: &ModelSource, output: &str, classes: usize) -> Result<Self> {
        Ok(match (param, meta.scores.as_deref()) {
            ("none", _) | ("auto", Some("probabilities")) => Self::None,
            ("softmax", _) | ("auto", Some("logits")) => Self::Softmax,
            ("sigmoid", _) => Self::Sigmoid,
            _ if ends_with_probabilities(source, output)? => Self::None,
            // The softmax of a single score is 1, whatever the score.
            (_, Some("multi-label")) => Self::Sigmoid,
            _ if classes == 1 => Self::Sigmoid,
            _ => Self::Softmax,
        })
    }

    /// Turns the scores of a row into probabilities.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Sigmoid => {
                for score in scores {
                    *score = sigmoid(*score);
                }
            }
            Self::Softmax => {
                let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exponentials: Vec<f64> =
                    scores.iter().map(|score| (f64::from(*score) - f64::from(largest)).exp()).collect();
                let sum: f64 = exponentials.iter().sum();
                for (score, exponential) in scores.iter_mut().zip(exponentials) {
                    *score = (exponential / sum) as f32;
                }
            }
        }
    }
}

/// 1 / (1 + exp(-score)).
pub fn sigmoid(score: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(score)).exp())) as f32
}

/// Whether an output comes from a softmax or a sigmoid, apart from nodes that keep the values.
fn ends_with_probabilities(source: &ModelSource, output: &str) -> Result<bool> {
    let loaded = load(source)?;
    let mut tensor = output;
    // Every step moves towards the inputs, unless the graph is damaged.
    for _ in 0..loaded.model.graph.node.len() {
        let Some(node) = made_by(&loaded.model.graph.node, tensor) else { return Ok(false) };
        match (node.op_type.as_str(), node.input.first()) {
            ("Softmax" | "Sigmoid", _) => return Ok(true),
            ("Div", _) => return Ok(is_written_softmax(&loaded.model.graph.node, node)),
            (
                "Identity" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Cast" | "Dropout" | "Abs" | "Clip"
                | "QuantizeLinear" | "DequantizeLinear",
                Some(input),
            ) => tensor = input,
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// The node that computes a tensor.
fn made_by<'g>(nodes: &'g [NodeProto], tensor: &str) -> Option<&'g NodeProto> {
    nodes.iter().find(|node| node.output.iter().any(|name| name == tensor))
}

/// Whether a division is a softmax in single steps: exponentials over their sum.
fn is_written_softmax(nodes: &[NodeProto], division: &NodeProto) -> bool {
    let [exponentials, sum] = division.input.as_slice() else { return false };
    made_by(nodes, exponentials).is_some_and(|node| node.op_type == "Exp")
        && made_by(nodes, sum)
            .is_some_and(|node| node.op_type == "ReduceSum" && node.input.first() == Some(exponentials))
}

/// What a user of a model without labels should know.
pub const NO_LABELS: &str = "the model has no labels, so `class` is the index of the class; set labels";

/// The error for a row whose scores are not finite.
pub fn odd_scores() -> Error {
    Error::decode("the network's scores include NaN or an infinity")
}

/// Makes the rows bad whose scores are not finite.
pub fn reject_odd(scores: &mut FloatRows, column: &str, rejects: &mut Rejects) -> Result<()> {
    for row in 0..scores.rows() {
        if scores.row(row).is_some_and(|row| row.iter().any(|score| !score.is_finite())) {
            scores.clear(row);
            rejects.reject(row, odd_scores()).map_err(|e| e.at_column(column))?;
        }
    }
    Ok(())
}

/// The names of the classes, in the order of the scores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    labels: Vec<String>,
    descriptions: Vec<String>,
}

impl Names {
    /// The names of the param, else those of the metadata, else none.
    pub fn of(param: Option<&[String]>, meta: &ImageMeta, classes: usize) -> Result<Self> {
        if let Some(labels) = param {
            if labels.len() != classes {
                return Err(Error::param(
                    "labels",
                    format!(
                        "has {}, but the network has {classes} classes; set one name per class",
                        count(labels.len())
                    ),
                ));
            }
            return Ok(Self { labels: labels.to_vec(), descriptions: labels.to_vec() });
        }
        if meta.labels.is_empty() {
            return Ok(Self::default());
        }
        if meta.labels.len() != classes {
            return Err(Error::model(format!(
                "{} of classes are known for this model, but it has {classes} classes; set labels to one name per class",
                count(meta.labels.len())
            )));
        }
        let described = meta.descriptions.len() == classes;
        let descriptions = if described { &meta.descriptions } else { &meta.labels };
        Ok(Self { labels: meta.labels.clone(), descriptions: descriptions.clone() })
    }

    /// Whether the classes have no names.
    pub fn are_missing(&self) -> bool {
        self.labels.is_empty()
    }

    /// The most probable classes of each row of scores.
    pub fn answers(&self, scores: &FloatRows, top: usize, activation: Activation) -> Result<ListArray> {
        let mut out = Answers::new(top, scores.rows());
        for row in 0..scores.rows() {
            match scores.row(row) {
                Some(scores) => self.push(&mut out, scores.to_vec(), activation),
                None => out.push_null(),
            }
        }
        out.finish()
    }

    /// Adds the most probable classes of one row. A class without a name has its index.
    pub fn push(&self, out: &mut Answers, mut scores: Vec<f32>, activation: Activation) {
        activation.apply(&mut scores);
        out.push(&scores, |class| match self.labels.get(class) {
            Some(label) => (Cow::Borrowed(label.as_str()), self.descriptions.get(class).map(String::as_str)),
            None => (Cow::Owned(class.to_string()), None),
        });
    }
}

/// Writes a column of answers: for each row its most probable classes, the most probable one first, and among equals the first
/// one. A score that is not a number is the least probable.
#[derive(Debug)]
pub struct Answers {
    top: usize,
    labels: StringBuilder,
    descriptions: StringBuilder,
    probabilities: Float32Builder,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Answers {
    /// No rows yet. An answer has `top` classes, or all if there are fewer.
    pub fn new(top: usize, rows: usize) -> Self {
        Self {
            top,
            labels: StringBuilder::new(),
            descriptions: StringBuilder::new(),
            probabilities: Float32Builder::new(),
            lengths: Vec::with_capacity(rows),
            valid: Vec::with_capacity(rows),
        }
    }

    /// A row without scores.
    pub fn push_null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    /// A row of probabilities, with the name and the description of each class.
    pub fn push<'n>(&mut self, probabilities: &[f32], name_of: impl Fn(usize) -> (Cow<'n, str>, Option<&'n str>)) {
        let ranked =
            |index: usize| if probabilities[index].is_nan() { f32::NEG_INFINITY } else { probabilities[index] };
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        let by_rank = |a: &usize, b: &usize| ranked(*b).total_cmp(&ranked(*a)).then(a.cmp(b));
        if self.top < order.len() {
            order.select_nth_unstable_by(self.top, by_rank);
            order.truncate(self.top);
        }
        order.sort_unstable_by(by_rank);
        for class in &order {
            let (label, description) = name_of(*class);
            self.labels.append_value(label);
            self.descriptions.append_option(description);
            self.probabilities.append_value(probabilities[*class]);
        }
        self.lengths.push(order.len());
        self.valid.push(true);
    }

    /// The column that [`answers_field`] declares.
    pub fn finish(mut self) -> Result<ListArray> {
        let columns: Vec<arrow_array::ArrayRef> = vec![
            Arc::new(self.labels.finish()),
            Arc::new(self.descriptions.finish()),
            Arc::new(self.probabilities.finish()),
        ];
        let structs = StructArray::try_new(answer_fields(), columns, None)?;
        let nulls = NullBuffer::from(self.valid);
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let offsets = OffsetBuffer::from_lengths(self.lengths);
        Ok(ListArray::try_new(item_field(), offsets, Arc::new(structs), nulls)?)
    }
}

/// A number of names, for messages.
pub fn count(names: usize) -> String {
    if names == 1 { "1 name".to_owned() } else { format!("{names} names") }
}

fn answer_fields() -> Fields {
    Fields::from(vec![
        Field::new("class", DataType::Utf8, true),
        Field::new("description", DataType::Utf8, true),
        Field::new("probability", DataType::Float32, true),
    ])
}

fn item_field() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(answer_fields()), true))
}

/// The column of answers.
pub fn answers_field(name: &str) -> Field {
    Field::new(name, DataType::List(item_field()), true)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;

    use super::*;

    fn scores(rows: &[Option<&[f32]>]) -> Result<FloatRows> {
        let size = rows.iter().flatten().map(|row| row.len()).max().unwrap_or(0);
        let mut vectors = FloatRows::new(rows.len(), size)?;
        for (at, row) in rows.iter().enumerate() {
            if let Some(row) = row {
                vectors.fill(at).copy_from_slice(row);
            }
        }
        Ok(vectors)
    }

    fn row(answers: &ListArray, row: usize) -> Vec<(String, f32)> {
        let row = answers.value(row);
        let structs = row.as_struct();
        let labels = structs.column(0).as_string::<i32>();
        let probabilities = structs.column(2).as_primitive::<Float32Type>();
        (0..row.len()).map(|at| (labels.value(at).to_owned(), probabilities.value(at))).collect()
    }

    #[test]
    fn the_largest_come_first_and_the_first_among_equals() -> Result<()> {
        let vectors = scores(&[Some(&[0.1, 0.4, 0.4, 0.1]), None, Some(&[f32::NAN, 0.0, 0.0, 0.5])])?;
        let names = Names::of(Some(&["a", "b", "c", "d"].map(str::to_owned)), &ImageMeta::default(), 4)?;
        let answers = names.answers(&vectors, 2, Activation::None)?;
        assert_eq!(row(&answers, 0), [("b".to_owned(), 0.4), ("c".to_owned(), 0.4)]);
        assert!(answers.is_null(1));
        assert_eq!(row(&answers, 2), [("d".to_owned(), 0.5), ("b".to_owned(), 0.0)]);
        assert_eq!(row(&names.answers(&vectors, 9, Activation::None)?, 0).len(), 4);
        Ok(())
    }

    #[test]
    fn softmax_is_stable_and_sums_to_one() -> Result<()> {
        let answers =
            Names::default().answers(&scores(&[Some(&[1000.0, 1000.0, -1000.0])])?, 3, Activation::Softmax)?;
        assert_eq!(row(&answers, 0), [("0".to_owned(), 0.5), ("1".to_owned(), 0.5), ("2".to_owned(), 0.0)]);
        let answers = Names::default().answers(&scores(&[Some(&[0.0, 50.0])])?, 1, Activation::Sigmoid)?;
        assert_eq!(row(&answers, 0), [("1".to_owned(), 1.0)]);
        Ok(())
    }

    #[test]
    fn names_must_fit_the_classes() {
        let error = Names::of(Some(&["a".to_owned()]), &ImageMeta::default(), 2).err().map(|e| e.to_string());
        assert!(error.is_some_and(|e| e.contains("has 1 name, but the network has 2 classes")));
        let meta = ImageMeta { labels: vec!["a".into(); 3], ..ImageMeta::default() };
        assert!(Names::of(None, &meta, 2).is_err() && Names::of(None, &meta, 3).is_ok());
    }
}
