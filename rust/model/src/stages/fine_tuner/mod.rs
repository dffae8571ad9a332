//! `FineTuner`.

mod model;

use mmlrs_core::{HasSample, ModelSource, Sample, put_blob};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::{labelled_vectors, sample_model};

use mmlrs_ann::TrainingParams;
use mmlrs_ann::columns::{ClassColumns, HeadParams};

pub use model::FineTunedModel;

/// Trains a new last part for a trained ONNX network: the features of the network are computed once, and a head of fully connected
/// layers is trained on them.
///
/// The network may read images, texts or vectors. The features are an output or an inner tensor of it. They are computed in one
/// pass over the rows and kept while the head is trained; the network itself stays as it is. The result is one ONNX file, the
/// network up to the features with the head behind it. Labels are numbers of classes, or any values, which are then indexed in
/// ascending order. Training works as for `MultilayerPerceptronClassifier`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = FineTunedModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import FineTuner
from mmlrs.testing import sample_model

table = pa.table({"x": [[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 2.0, 0.0, 1.0]], "label": ["a", "b", "a"]})
model = FineTuner(model=sample_model(), inputCol="x", maxIter=20).fit(table)
assert model.transform(table)["predictedLabel"].to_pylist() == ["a", "b", "a"]
"#
)]
pub struct FineTuner {
    /// Name of the column that the network reads: images, texts, or vectors or lists of numbers.
    #[param(default = "image", non_empty, role = input, accepts(any))]
    pub input_col: String,
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
    #[param(required)]
    pub model: ModelSource,
    /// The head and what it reads.
    #[param(group)]
    pub head: HeadParams,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for FineTuner {
    fn sample() -> Sample {
        let model = json!({"sha256": put_blob(&sample_model())});
        Sample::new(json!({"model": model, "inputCol": "features", "maxIter": 3}), labelled_vectors())
    }
}
