//! `TextClassifier`: the most probable classes of each text, with their names.

use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Column, Context, Error, FileSource, HandleInvalid, HasSample, ModelSource, Once, Output, Result, RowPolicy,
    Sample, Transform, put_blob,
};
use mmlrs_macros::Stage;
use mmlrs_text::sample::{sample_texts, sample_tokenizer};
use serde_json::json;

use crate::answers::{Activation, AnswerParams, NO_LABELS, Names, answers_field, reject_odd};
use crate::graph::image_meta::ImageMeta;
use crate::prepare::model_info;
use crate::prepare::portable::portable;
use crate::runtime::run_params::RunParams;
use crate::sample::sample_text_model;
use crate::text_network::params::TextInput;
use crate::text_network::plan::{Request, TextPlan};
use mmlrs_core::FloatRows;

/// Names of outputs with one score per class.
const SCORES: [&str; 3] = ["logits", "scores", "probabilities"];

/// Names the topics, the sentiment or any other classes of texts, with their probabilities.
///
/// With a model that was trained to classify, the classes are those of the model. With a model that embeds texts, such as
/// `minilm`, they are the texts in `labels`, and nothing has to be trained (zero-shot): the score of a class is the cosine of the
/// vectors of text and label, times `similarityScale`. Such answers are rough. Labels that are short descriptions work better than
/// single words, and a trained classifier works better than both.
///
/// Texts are tokenized and run as in `TextEmbedder`. The answer is an array of structs `class`, `description` and `probability`, the
/// most probable class first.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    body = extended,
    kind = transformer,
    example = r#"
import pyarrow as pa
from mmlrs.text import TextClassifier

table = pa.table({"text": ["The match ended in a draw.", "Shares fell sharply today."]})
classifier = TextClassifier(inputCol="text", outputCol="topics", labels=["sports news", "business news"])
topics = classifier.transform(table)["topics"].to_pylist()
assert [answers[0]["class"] for answers in topics] == ["sports news", "business news"]
"#
)]
pub struct TextClassifier {
    /// Name of the string column.
    #[param(required, non_empty, role = input, accepts(text))]
    input_col: String,
    /// Name of the column of answers to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// The ONNX model: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`minilm` from the extra `models`"))]
    model: ModelSource,
    /// The model's tokenizer.json: the name of a model, a path, bytes or a handle. If `model` is a name, its tokenizer is set with
    /// it; it must be set with any other model.
    #[param(default = python("that of `minilm`"))]
    tokenizer: FileSource,
    #[param(group)]
    answers: AnswerParams,
    /// What the model's output is: "scores" of classes, or vectors, whose "similarity" to those of the labels is the score. "auto"
    /// means "scores" for an output named `logits`, `scores` or `probabilities`, or if its size is the number of labels in the
    /// model's metadata.
    #[param(default = "auto", one_of("auto", "scores", "similarity"))]
    method: String,
    /// The text that is compared for a label, in which `{}` stands for the label, for instance "This text is about {}."
    #[param(default = "{}", non_empty)]
    template: String,
    /// Factor on the cosines. The default is the one that models of sentence-transformers are trained with.
    #[param(default = 20.0, above(0.0))]
    similarity_scale: f64,
    #[param(group)]
    input: TextInput,
    #[param(group)]
    run: RunParams,
    #[param(group)]
    row_policy: RowPolicy,
    #[param(cache)]
    plan: Once<Plan>,
    #[param(cache)]
    label_vectors: Once<FloatRows>,
}

/// The network, and how its vectors become scores.
struct Plan {
    network: TextPlan,
    names: Names,
    activation: Activation,
    /// Whether the vectors are compared with those of the labels.
    compares: bool,
}

impl TextClassifier {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let network = TextPlan::make(Request {
            model: &self.model,
            tokenizer: &self.tokenizer,
            input: &self.input,
            run: &self.run,
        })?;
        let meta = ImageMeta::of(&*model_info(&self.model)?)?;
        let (output, is_hidden) = (&network.model.output, network.model.is_hidden());
        let is_named = SCORES.contains(&output.as_str());
        let has_scores = match self.method.as_str() {
            "similarity" => false,
            "scores" => true,
            _ => is_named || (!is_hidden && meta.labels.len() == network.size),
        };
        if has_scores {
            if is_hidden {
                let message = format!(
                    "cannot be used: its output `{output}` has values for every token, not one score per class; set \
                     outputTensorName, or method=\"similarity\" for a model that embeds texts"
                );
                return Err(Error::param("model", message));
            }
            let names = Names::of(self.answers.labels.as_deref(), &meta, network.size)?;
            let activation = Activation::of(&self.answers.activation, &meta, &self.model, output, network.size)?;
            return Ok(Plan { network, names, activation, compares: false });
        }
        let Some(labels) = self.answers.labels.as_deref().filter(|labels| !labels.is_empty()) else {
            let message =
                "must be set to the classes: the model embeds texts, and each text is compared with the labels";
            return Err(Error::param("labels", message));
        };
        if !self.template.contains("{}") {
            return Err(Error::param("template", "must contain `{}`, which stands for the label"));
        }
        let names = Names::of(Some(labels), &meta, labels.len())?;
        let activation = match self.answers.activation.as_str() {
            "none" => Activation::None,
            "sigmoid" => Activation::Sigmoid,
            _ => Activation::Softmax,
        };
        Ok(Plan { network, names, activation, compares: true })
    }

    /// The vectors of the labels, computed once per process.
    fn label_vectors(&self, plan: &Plan, cx: &Context) -> Result<Arc<FloatRows>> {
        self.label_vectors.get_or_make(|| {
            let labels = self.answers.labels.iter().flatten();
            let texts: StringArray = labels.map(|label| Some(self.template.replace("{}", label))).collect();
            let texts: ArrayRef = Arc::new(texts);
            let vectors = plan.network.vectors("labels", &texts, true, &self.run, HandleInvalid::Error, cx);
            vectors.map(|(vectors, _)| vectors).map_err(|e| Error::param("labels", e.message().to_owned()))
        })
    }

    /// The scores of the rows of a batch.
    fn scores(&self, plan: &Plan, vectors: FloatRows, cx: &Context) -> Result<FloatRows> {
        if !plan.compares {
            return Ok(vectors);
        }
        let labels = self.label_vectors(plan, cx)?;
        let mut scores = FloatRows::new(vectors.rows(), labels.rows())?;
        for row in 0..vectors.rows() {
            let Some(vector) = vectors.row(row) else { continue };
            for (label, score) in scores.fill(row).iter_mut().enumerate() {
                let other = labels.row(label).unwrap_or_default();
                let cosine: f32 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                *score = (self.similarity_scale * f64::from(cosine)) as f32;
            }
        }
        Ok(scores)
    }
}

impl Transform for TextClassifier {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        self.plan()?;
        Ok(vec![answers_field(&self.output_col)])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let texts = block.column(&self.input_col)?.to_arrow(cx)?;
        let policy = self.row_policy.handle_invalid;
        let (vectors, mut rejects) =
            plan.network.vectors(&self.input_col, &texts, plan.compares, &self.run, policy, cx)?;
        let mut scores = self.scores(&plan, vectors, cx)?;
        reject_odd(&mut scores, &self.input_col, &mut rejects)?;
        let answers = plan.names.answers(&scores, self.answers.top_k, plan.activation)?;
        Ok(Output { columns: vec![Column::arrow(Arc::new(answers))], invalid: rejects.into_rows() })
    }

    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(vec![("model", portable(&self.plan()?.network.model.prepared, &self.model)?)])
    }

    fn notes(&self) -> Result<Vec<String>> {
        let plan = self.plan()?;
        let mut notes = plan.network.model.prepared.notes.clone();
        if plan.names.are_missing() {
            notes.push(NO_LABELS.to_owned());
        }
        Ok(notes)
    }
}

impl HasSample for TextClassifier {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "text",
            "outputCol": "topics",
            "model": {"sha256": put_blob(&sample_text_model())},
            "tokenizer": FileSource::of(&sample_tokenizer()).to_value(),
            "labels": ["cat", "dog", "mat"],
            "maxLength": 32,
        });
        Sample::new(params, sample_texts())
    }
}
