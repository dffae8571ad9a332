//! `BestModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;

use crate::comparison::{ChosenParams, chosen_sample};
use crate::sample::judged_rows;

/// Scores with the best of several models: what `FindBestModel` fits.
///
/// Adds what the best model adds. `getAllModelMetrics` tells how all models did, `getBestModelMetrics` how the best one did,
/// `getRocCurve` its curve; these are saved along. `getScoredDataset` is what the best model made of the dataset that decided;
/// it is not saved.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = model,
    body = python,
    example = "from mmlrs.automl import BestModel

# What `FindBestModel.fit` returns; `BestModel.load(path)` reads a saved one.
assert BestModel().getBestModel() is None
"
)]
pub struct BestModel {
    /// What was chosen.
    #[param(group)]
    pub chosen: ChosenParams,
}

impl HasSample for BestModel {
    fn sample() -> Sample {
        Sample::new(chosen_sample(), judged_rows())
    }
}
