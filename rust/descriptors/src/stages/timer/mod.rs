//! `Timer`.

mod model;

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::{ParamGroup, Stage};
use serde_json::json;

use crate::sample::plain_rows;

pub use model::TimerModel;

/// Measures how long a stage takes to fit and to transform.
///
/// Spark does no work until rows are requested, so calling a stage takes almost no time. The timer forces the work. It caches
/// and counts the input before the clock starts, and it caches and counts the result before the clock stops. So it measures the
/// stage alone, with all of its columns and without the work before it. Afterwards the input is unpersisted, unless it was
/// cached before.
///
/// Fitting a transformer does nothing, and the model is that transformer. Times in seconds are logged by the logger
/// `mmlrs.stages` at level INFO and are available as `fitSeconds` and `transformSeconds` of the model. They are not saved with
/// it.
///
/// The timer needs memory or disk for the input while it runs, and for the result (see `TimerModel`). A table is in memory
/// already and is measured directly.
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
    /// Params that the estimator and its model share.
    #[param(group)]
    pub shared: TimerParams,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, PartialEq, Eq, ParamGroup)]
pub struct TimerParams {
    /// The stage to measure, of mmlrs or of Spark ML. It is not changed.
    #[param(required)]
    pub stage: StageRef,
    /// Measure only the call of the stage: nothing is cached or counted. A fit then includes the work that its input still
    /// needs, and a transform on Spark ends once it is planned.
    #[param(default = false)]
    pub disable_materialization: bool,
}

impl HasSample for Timer {
    fn sample() -> Sample {
        let stage = json!({"class": "mmlrs.stages.ClassBalancer", "params": {"inputCol": "name"}});
        Sample::new(json!({"stage": stage}), plain_rows())
    }
}
