//! `AutoEncoderModel`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{
    Block, Context, FileSource, HasSample, Once, Output, Result, RowPolicy, Sample, Transform, VectorType,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::{classes_batch, small_encoder};
use crate::scoring::Scorer;
use crate::scoring::values::Values;

/// Encodes vectors, decodes codes or reproduces vectors, as fitted by `AutoEncoder` and `StackedAutoEncoder`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = model,
    body = extended,
    example = r#"from mmlrs.ann import AutoEncoderModel

# What `AutoEncoder.fit` returns; `load(path)` reads a saved one.
assert AutoEncoderModel().getResult() == "code"
"#
)]
pub struct AutoEncoderModel {
    /// Name of the column to read: vectors or lists of numbers.
    #[param(required, non_empty, role = input, accepts(sparse_vector, any))]
    input_col: String,
    /// Name of the column to add.
    #[param(default = uid("_output"), non_empty, role = output)]
    output_col: String,
    /// What to compute: "code", the code of a vector; "decoded", the vector of a code; "reconstruction", the vector that the code
    /// of a vector decodes to.
    #[param(default = "code", one_of("code", "decoded", "reconstruction"))]
    result: String,
    /// The trained network, in the form of `safetensors`.
    #[param(required)]
    network: FileSource,
    /// Number of layers of the encoder.
    #[param(required, range(1, 1_000_000))]
    code_layer: usize,
    /// The history of the training, as JSON.
    #[expect(dead_code, reason = "only Python reads it")]
    #[param]
    training_history: Option<String>,
    /// Type of the new column.
    #[param(group)]
    form: VectorType,
    #[param(group)]
    policy: RowPolicy,
    #[param(cache)]
    scorer: Once<Scorer>,
}

impl AutoEncoderModel {
    fn answers(&self) -> Result<Values<'_>> {
        let scorer: Arc<Scorer> = self.scorer.get_or_make(|| match &self.result[..] {
            "code" => Scorer::part(&self.network, self.code_layer, true),
            "decoded" => Scorer::part(&self.network, self.code_layer, false),
            _ => Scorer::new(&self.network),
        })?;
        Ok(Values { scorer, features: &self.input_col, output: &self.output_col, form: Some(self.form) })
    }
}

impl Transform for AutoEncoderModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.answers()?.fields(input)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        self.answers()?.columns(block, cx, self.policy.handle_invalid)
    }
}

impl HasSample for AutoEncoderModel {
    fn sample() -> Sample {
        let network = FileSource::of(&small_encoder()).to_value();
        let params = json!({"inputCol": "features", "outputCol": "code", "network": network, "codeLayer": 1});
        Sample::new(params, classes_batch())
    }
}
