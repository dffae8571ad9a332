//! `TimerModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use super::TimerParams;
use crate::sample::plain_rows;

/// Transforms a dataset and measures how long it takes, as fitted by `Timer`.
///
/// The returned `DataFrame` is cached by the measurement, so later steps read it and do not compute it again. It stays cached
/// until its `unpersist()` is called. With `disableMaterialization` nothing is cached and nothing runs, as without the timer. A
/// stream never ends, so it is transformed without a measurement, and a log message says so.
///
/// `transformSeconds` is the time of the last measured call and `fitSeconds` the time of the fit. They are None if there was
/// none.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    kind = model,
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import RenameColumn, TimerModel
table = pa.table({"a": [1, 2]})
model = TimerModel(stage=RenameColumn(inputCol="a", outputCol="b"))
assert model.transform(table).column_names == ["b"]
assert model.transformSeconds < 60
"#
)]
pub struct TimerModel {
    /// Params that the estimator and its model share.
    #[param(group)]
    pub shared: TimerParams,
}

impl HasSample for TimerModel {
    fn sample() -> Sample {
        let params = json!({"inputCol": "name", "outputCol": "title"});
        let stage = json!({"class": "mmlrs.stages.RenameColumn", "params": params});
        Sample::new(json!({"stage": stage}), plain_rows())
    }
}
