//! `TimerModel`.

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use super::TimerParams;
use crate::sample::plain_rows;

/// Transforms and measures how long it takes: what `Timer` fits.
///
/// The `DataFrame` that is returned is kept in memory, where the measurement has put it: what follows reads it and does not
/// compute it again. It stays until its `unpersist()`. With `disableMaterialization` nothing is kept and nothing runs, as
/// without the timer. A stream has no end to wait for: it is passed through the stage, and the log says that it is not
/// measured.
///
/// `transformSeconds` is the time of the last call that was measured, `fitSeconds` that of the fit; None where there was none.
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
    /// What the estimator and its model have in common.
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
