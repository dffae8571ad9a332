//! `Timer`.

mod model;

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::{ParamGroup, Stage};
use serde_json::json;

use crate::sample::plain_rows;

pub use model::TimerModel;

/// Measures how long a stage takes to fit and to transform.
///
/// Spark works when rows are asked for, so a call of a stage takes no time by itself. The timer makes it do its work: the input is
/// kept in memory and counted before the clock starts, the result is kept and counted before it stops. What is measured is
/// the stage alone with all of its columns, without what comes before it. The input is then as it was: what the timer kept it
/// gives back, what was kept already stays.
///
/// The fit of a transformer is nothing, and its model is that transformer. Times in seconds are told to the logger
/// `mmlrs.stages` at level INFO and are the `fitSeconds` and the `transformSeconds` of the model; they are not saved with it.
///
/// Costs memory or disk for the input, while it runs, and for the result (see `TimerModel`). A table is in memory, and its work
/// is measured as it is.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    kind = estimator,
    body = python,
    rows = changed,
    model = TimerModel,
    example = r#"
import pyarrow as pa
from mmlrs.stages import ClassBalancer, Timer
table = pa.table({"label": ["cat", "cat", "dog"]})
model = Timer(stage=ClassBalancer(inputCol="label")).fit(table)
assert model.fitSeconds > 0 and model.transformSeconds is None
assert model.transform(table)["weight"].to_pylist() == [1.0, 1.0, 2.0]
assert model.transformSeconds > 0
"#
)]
pub struct Timer {
    /// What the estimator and its model have in common.
    #[param(group)]
    pub shared: TimerParams,
}

/// What the estimator and its model have in common.
#[derive(Debug, Clone, PartialEq, Eq, ParamGroup)]
pub struct TimerParams {
    /// The stage to measure, of mmlrs or of Spark ML. It is not changed.
    #[param(required)]
    pub stage: StageRef,
    /// Measure the call of the stage alone: nothing is kept or counted. A fit then includes the work that its input still
    /// needs, and a transform on Spark is over once it is planned.
    #[param(default = false)]
    pub disable_materialization: bool,
}

impl HasSample for Timer {
    fn sample() -> Sample {
        let stage = json!({"class": "mmlrs.stages.ClassBalancer", "params": {"inputCol": "name"}});
        Sample::new(json!({"stage": stage}), plain_rows())
    }
}
