//! `NeuralNetworkRegressionModel`.

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, FileSource, HasSample, Once, Output, Result, RowPolicy, Sample, Transform, VectorType,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::FeatureColumns;
use crate::sample::{classes_batch, small_network};
use crate::scoring::Scorer;
use crate::scoring::values::Values;

/// Predicts numbers of vectors or images with a neural network, as fitted by `NeuralNetworkRegressor`.
///
/// Adds a double if the network has one output, else a vector.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = model,
    body = extended,
    example = r#"from mmlrs.ann import NeuralNetworkRegressionModel

# What `NeuralNetworkRegressor.fit` returns; `load(path)` reads a saved one.
assert NeuralNetworkRegressionModel().getPredictionCol() == "prediction"
"#
)]
pub struct NeuralNetworkRegressionModel {
    #[param(group)]
    features: FeatureColumns,
    /// The trained network, in the form of `safetensors`.
    #[param(required)]
    network: FileSource,
    /// The history of the training, as JSON.
    #[expect(dead_code, reason = "only Python reads it")]
    #[param]
    training_history: Option<String>,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    scorer: Once<Scorer>,
}

impl NeuralNetworkRegressionModel {
    fn answers(&self) -> Result<Values<'_>> {
        let scorer = self.scorer.get_or_make(|| Scorer::new(&self.network))?;
        let form = (scorer.outputs() > 1).then_some(VectorType::Vector);
        Ok(Values { scorer, features: &self.features.features_col, output: &self.features.prediction_col, form })
    }
}

impl Transform for NeuralNetworkRegressionModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.answers()?.fields(input)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        self.answers()?.columns(block, cx, self.policy.handle_invalid)
    }
}

impl HasSample for NeuralNetworkRegressionModel {
    fn sample() -> Sample {
        Sample::new(json!({"network": FileSource::of(&small_network(1)).to_value()}), classes_batch())
    }
}
