//! `TuneHyperparametersModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;

use crate::comparison::{ChosenParams, chosen_sample};
use crate::sample::judged_rows;

/// Scores with the best of the tried models: what `TuneHyperparameters` fits.
///
/// Adds what the best model adds. `getBestModelInfo` and `getBestParams` tell the winner's hyper-parameters,
/// `getAllModelMetrics` how every trial did, the failed ones with their error; these are saved along.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "automl",
    kind = model,
    body = python,
    example = "from mmlrs.automl import TuneHyperparametersModel

# What `TuneHyperparameters.fit` returns; `TuneHyperparametersModel.load(path)` reads a saved one.
assert TuneHyperparametersModel().getBestModel() is None
"
)]
pub struct TuneHyperparametersModel {
    /// What was chosen.
    #[param(group)]
    pub chosen: ChosenParams,
}

impl HasSample for TuneHyperparametersModel {
    fn sample() -> Sample {
        Sample::new(chosen_sample(), judged_rows())
    }
}
