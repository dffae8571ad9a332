//! `TuneHyperparametersModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;

use crate::comparison::{ChosenParams, chosen_sample};
use crate::sample::judged_rows;

/// Scores with the best of the trials, as selected by `TuneHyperparameters`.
///
/// Adds the columns that the best model adds. `getBestModelInfo` and `getBestParams` return the hyper-parameters of the winner.
/// `getAllModelMetrics` returns the metrics of every trial, with the error of a failed one. These are saved with the model.
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
    /// The result of the comparison.
    #[param(group)]
    pub chosen: ChosenParams,
}

impl HasSample for TuneHyperparametersModel {
    fn sample() -> Sample {
        Sample::new(chosen_sample(), judged_rows())
    }
}
