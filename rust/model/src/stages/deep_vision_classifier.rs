//! `DeepVisionClassifier`.

use mmlrs_core::{HasSample, ModelSource, Sample, put_blob};
use mmlrs_image::sample::binary_batch;
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::{labelled, sample_image_model};

use mmlrs_ann::TrainingParams;
use mmlrs_ann::columns::{ClassColumns, HeadParams};

/// Trains an image classifier on a network that knows images: `FineTuner` for images, with a network as the default.
///
/// The params have the names of SynapseML's class of the same name. The backbone is not changed; a head is trained on its features.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = FineTunedModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"from mmlrs.ann import DeepVisionClassifier

classifier = DeepVisionClassifier(imageCol="picture", labelCol="animal", epochs=5, solver="adam")
assert classifier.getImageCol() == "picture"
"#
)]
pub struct DeepVisionClassifier {
    /// Name of the column of images: image structs, encoded bytes, or structs of path and bytes.
    #[param(default = "image", non_empty, role = input, accepts(any))]
    pub image_col: String,
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
    #[param(default = python("`efficientnet-lite0` from the extra `models`"))]
    pub backbone: ModelSource,
    /// The head and what it reads.
    #[param(group)]
    pub head: HeadParams,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for DeepVisionClassifier {
    fn sample() -> Sample {
        let backbone = json!({"sha256": put_blob(&sample_image_model())});
        Sample::new(json!({"backbone": backbone, "maxIter": 5}), labelled(&binary_batch("image", 5, 48, 64)))
    }
}
