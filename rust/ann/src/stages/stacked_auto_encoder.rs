//! `StackedAutoEncoder`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::EncoderParams;
use crate::sample::classes_batch;
use crate::training_params::TrainingParams;

/// Trains an autoencoder layer by layer (Bengio et al. 2007): each layer learns to reproduce the codes of the layer before it.
///
/// The layers are then trained together, unless `fineTune` is false. The model is that of `AutoEncoder`.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = AutoEncoderModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import StackedAutoEncoder

table = pa.table({"features": [[0.0, 0.0, 1.0], [0.5, 0.5, 0.5], [1.0, 1.0, 0.0]]})
model = StackedAutoEncoder(inputCol="features", outputCol="code", layers=[3, 2, 1]).fit(table)
assert len(model.transform(table)["code"][0]) == 1
"#
)]
pub struct StackedAutoEncoder {
    /// Params that autoencoders share.
    #[param(group)]
    pub encoder: EncoderParams,
    /// Whether all layers are trained together after they were trained one by one.
    #[param(default = true)]
    pub fine_tune: bool,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for StackedAutoEncoder {
    fn sample() -> Sample {
        let params = json!({
            "inputCol": "features", "outputCol": "code", "layers": [2, 2, 1], "maxIter": 5, "fineTune": false
        });
        Sample::new(params, classes_batch())
    }
}
