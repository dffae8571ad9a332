//! `BestModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;

use crate::comparison::{ChosenParams, chosen_sample};
use crate::sample::judged_rows;

/// Scores with the best of several models, as selected by `FindBestModel`.
///
/// Adds the columns that the best model adds. `getAllModelMetrics` returns the metrics of all models, `getBestModelMetrics`
/// those of the best model, and `getRocCurve` its ROC curve. These are saved with the model. `getScoredDataset` returns the
/// dataset of the comparison as scored by the best model; it is not saved.
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
    /// The result of the comparison.
    #[param(group)]
    pub chosen: ChosenParams,
}

impl HasSample for BestModel {
    fn sample() -> Sample {
        Sample::new(chosen_sample(), judged_rows())
    }
}
