//! `DeepTextClassifier`.

use mmlrs_core::{FileSource, HasSample, ModelSource, Sample, put_blob};
use mmlrs_macros::Stage;
use mmlrs_text::sample::{sample_texts, sample_tokenizer};
use serde_json::json;

use crate::sample::{labelled, sample_text_model};

use mmlrs_ann::TrainingParams;
use mmlrs_ann::columns::{ClassColumns, HeadParams};

/// Trains a text classifier on a network that knows a language: `FineTuner` for texts, with a network as the default.
///
/// The params have the names of SynapseML's class of the same name. The backbone is not changed; a head is trained on its embeddings.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = FineTunedModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"from mmlrs.ann import DeepTextClassifier

classifier = DeepTextClassifier(textCol="review", labelCol="stars", epochs=5, solver="adam")
assert classifier.getTextCol() == "review"
"#
)]
pub struct DeepTextClassifier {
    /// Name of the string column.
    #[param(default = "text", non_empty, role = input, accepts(any))]
    pub text_col: String,
    /// Name of the column of labels.
    #[param(default = "label", non_empty, role = input, accepts(any))]
    pub label_col: String,
    /// Name of the column to add with the number of the predicted class.
    #[param(default = "prediction", non_empty, role = output)]
    pub prediction_col: String,
    /// Params of classifiers.
    #[param(group)]
    pub classes: ClassColumns,
    /// The ONNX network: the name of a model, a path, bytes, or a handle from `mmlrs.models`.
    #[param(default = python("`minilm` from the extra `models`"))]
    pub backbone: ModelSource,
    /// The tokenizer: the file `tokenizer.json`. If not set, that of the backbone.
    #[param]
    pub tokenizer: Option<FileSource>,
    /// The head and what it reads.
    #[param(group)]
    pub head: HeadParams,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for DeepTextClassifier {
    fn sample() -> Sample {
        let params = json!({
            "backbone": {"sha256": put_blob(&sample_text_model())},
            "tokenizer": FileSource::of(&sample_tokenizer()).to_value(),
            "maxIter": 5,
        });
        Sample::new(params, labelled(&sample_texts()))
    }
}
