//! `Lambda`.

use mmlrs_core::{FunctionRef, HasSample, Sample};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::sample::plain_rows;

/// Runs a Python function on the dataset: any step of a pipeline for which there is no stage.
///
/// The function receives the stage's input, a Spark `DataFrame` (classic or Connect), and returns another. For a table of any
/// kind it receives and returns a `pyarrow.Table`. It is called when the stage is, on Spark before any row is read. If it
/// creates a new `DataFrame`, native stages before and after it no longer run as one pass. Any other return type is an error.
/// If the function raises, the error names the stage and the function, and the cause is chained.
///
/// A saved stage holds the function's name, `module:name`, not its code. To load it, allow that function with `load(path,
/// allow_functions=["module:name"])`, or for a pipeline `with mmlrs.allow_functions("module"):`. Its module is imported then. A
/// lambda, a function in a script and a nested function have no such name. They are saved as a pickle, which is code, so saving
/// and loading need `allow_pickle=True`. `docs/security.md` lists what a saved stage may run.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import Lambda
table = pa.table({"a": [1, 2, 3]})
out = Lambda(transformFunc=lambda rows: rows.slice(1)).transform(table)
assert out["a"].to_pylist() == [2, 3]
"#
)]
pub struct Lambda {
    /// The function. It maps a dataset to a dataset of the same kind.
    #[param(required)]
    pub transform_func: FunctionRef,
}

impl HasSample for Lambda {
    fn sample() -> Sample {
        Sample::new(json!({"transformFunc": {"function": "mmlrs.testing:reversed_columns"}}), plain_rows())
    }
}
