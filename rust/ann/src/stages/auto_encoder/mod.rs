//! `AutoEncoder`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::columns::EncoderParams;
use crate::sample::classes_batch;
use crate::training_params::TrainingParams;

pub use model::AutoEncoderModel;

/// Trains a network that reproduces vectors through a narrow layer, whose values are a code of each vector.
///
/// `layers` are those of the encoder. The decoder has the same sizes in reverse order. All layers are trained together;
/// `StackedAutoEncoder` first trains them one by one. Training works as for `MultilayerPerceptronClassifier`. There is no label.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "ann",
    kind = estimator,
    body = python,
    model = AutoEncoderModel,
    accepts_nulls = "the policy applies to the rows used for training",
    example = r#"import pyarrow as pa
from mmlrs.ann import AutoEncoder

table = pa.table({"features": [[0.0, 0.0, 1.0], [0.5, 0.5, 0.5], [1.0, 1.0, 0.0]]})
model = AutoEncoder(inputCol="features", outputCol="code", layers=[3, 1], seed=1).fit(table)
assert len(model.transform(table)["code"][0]) == 1
"#
)]
pub struct AutoEncoder {
    /// Params that autoencoders share.
    #[param(group)]
    pub encoder: EncoderParams,
    /// Params of training.
    #[param(group)]
    pub training: TrainingParams,
}

impl HasSample for AutoEncoder {
    fn sample() -> Sample {
        let params = json!({"inputCol": "features", "outputCol": "code", "layers": [2, 1], "maxIter": 5});
        Sample::new(params, classes_batch())
    }
}
