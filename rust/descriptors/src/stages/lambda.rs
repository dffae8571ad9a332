//! `Lambda`.

use mmlrs_core::{FunctionRef, HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Runs a Python function on the whole dataset: any step of a pipeline for which there is no stage.
///
/// The function gets the Spark `DataFrame`, classic or Connect, that the stage is given, and returns another. For a table of any
/// kind it gets a `pyarrow.Table` and returns one. It is called when the stage is, on Spark before any row is read; it costs
/// what it does, and native stages before and after it are no longer one pass where it makes a new `DataFrame`. What else it
/// returns is an error, and so is one that it raises: the message names the stage and the function, and the cause is chained.
///
/// A saved stage holds the function's name, `module:name`, not its code. Whoever loads it allows that function,
/// `load(path, allow_functions=["module:name"])`, or for a pipeline `with mmlrs.allow_functions("module"):`; its module is
/// imported then. A lambda, and a function of a script or of another function, has no such name and is saved with
/// `allow_pickle=True` only, as a pickle, which is code: it is loaded with `allow_pickle=True` only. `docs/security.md` lists
/// what a saved stage may run.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import Lambda
table = pa.table({"a": [1, 2, 3]})
made = Lambda(transformFunc=lambda rows: rows.slice(1)).transform(table)
assert made["a"].to_pylist() == [2, 3]
"#
)]
pub struct Lambda {
    /// The function, from a dataset to a dataset of the same kind.
    #[param(required)]
    pub transform_func: FunctionRef,
}

impl HasSample for Lambda {
    fn sample() -> Sample {
        Sample::new(json!({"transformFunc": {"function": "mmlrs.testing:reversed_columns"}}), plain_rows())
    }
}
