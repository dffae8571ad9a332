//! `FineTunedModel`.

use mmlrs_core::{FileSource, HasSample, ModelSource, RowPolicy, Sample, ValueList, put_blob};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::{labelled_vectors, sample_model};

use mmlrs_ann::columns::ClassColumns;

/// Classifies images, texts or vectors with an ONNX network whose last part was trained, as fitted by `FineTuner`.
///
/// Adds the values of the last layer, the probabilities of the classes, the number of the predicted class as a double, and its
/// label. `getModel` is the ONNX file, which other tools run too.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = model,
    body = python,
    example = r#"from mmlrs.ann import FineTunedModel

# What `FineTuner.fit` returns; `load(path)` reads a saved one.
assert FineTunedModel().getPredictionCol() == "prediction"
"#
)]
pub struct FineTunedModel {
    /// Name of the column that the network reads.
    #[param(default = "image", non_empty, role = input, accepts(any))]
    pub input_col: String,
    /// Name of the column to add with the number of the predicted class.
    #[param(default = "prediction", non_empty, role = output)]
    pub prediction_col: String,
    /// Params of classifiers.
    #[param(group)]
    pub classes: ClassColumns,
    /// Name of the column to add with the predicted label.
    #[param(default = "predictedLabel", non_empty, role = output)]
    pub predicted_label_col: String,
    /// The ONNX network with the trained head.
    #[param(required)]
    pub model: ModelSource,
    /// What the network reads.
    #[param(default = "image", one_of("image", "text", "vector"))]
    pub input_kind: String,
    /// The tokenizer of a network that reads texts: the file `tokenizer.json`.
    #[param]
    pub tokenizer: Option<FileSource>,
    /// The labels in the order of the classes.
    #[param(required, non_empty)]
    pub labels: ValueList,
    /// The history of the training, as JSON.
    #[param]
    pub training_history: Option<String>,
    /// What to do about rows that cannot be processed.
    #[param(group)]
    pub policy: RowPolicy,
}

impl HasSample for FineTunedModel {
    fn sample() -> Sample {
        let model = json!({"sha256": put_blob(&sample_model())});
        let params = json!({"model": model, "inputCol": "features", "inputKind": "vector", "labels": ["a", "b", "c"]});
        Sample::new(params, labelled_vectors())
    }
}
