//! `NeuralNetworkClassificationModel`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, FileSource, HasSample, Once, Output, Result, RowPolicy, Sample, Transform, ValueList,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::{ClassColumns, FeatureColumns};
use crate::sample::{classes_batch, small_network};
use crate::scoring::Scorer;
use crate::scoring::classes::Classes;

/// Classifies vectors or images with a neural network, as fitted by `NeuralNetworkClassifier`.
///
/// Adds the values of the last layer, the probabilities of the classes and the number of the predicted class as a double. The
/// predictions carry the levels of the label as nominal attributes.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = model,
    body = extended,
    example = r#"from mmlrs.ann import NeuralNetworkClassificationModel

# What `NeuralNetworkClassifier.fit` returns; `load(path)` reads a saved one.
assert NeuralNetworkClassificationModel().getPredictionCol() == "prediction"
"#
)]
pub struct NeuralNetworkClassificationModel {
    #[param(group)]
    features: FeatureColumns,
    #[param(group)]
    classes: ClassColumns,
    /// The trained network, in the form of `safetensors`.
    #[param(required)]
    network: FileSource,
    /// The levels of the label in the order of the classes, for the metadata of the predictions.
    #[param(non_empty)]
    labels: Option<ValueList>,
    /// The history of the training, as JSON.
    #[expect(dead_code, reason = "only Python reads it")]
    #[param]
    training_history: Option<String>,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    scorer: Once<Scorer>,
}

impl NeuralNetworkClassificationModel {
    fn answers(&self) -> Result<Classes<'_>> {
        let scorer: Arc<Scorer> = self.scorer.get_or_make(|| Scorer::new(&self.network))?;
        Classes::new(scorer, &self.features, &self.classes, self.labels.as_ref())
    }
}

impl Transform for NeuralNetworkClassificationModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.answers()?.fields(input)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        self.answers()?.columns(block, cx, self.policy.handle_invalid)
    }
}

impl HasSample for NeuralNetworkClassificationModel {
    fn sample() -> Sample {
        let params = json!({"network": FileSource::of(&small_network(2)).to_value(), "labels": ["no", "yes"]});
        Sample::new(params, classes_batch())
    }
}
