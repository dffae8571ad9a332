//! `MultiColumnAdapterModel`.

use mmlrs_core::{HasSample, Sample, StageRef};
use mmlrs_macros::Stage;
use serde_json::{Value, json};

use super::PairedColumns;
use crate::sample::plain_rows;

/// Applies one stage per pair of columns, as fitted by `MultiColumnAdapter`.
///
/// The stages run one after the other; native ones run in one pass. For a table, stages of Spark ML run in the active session.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    kind = model,
    body = python,
    rows = changed,
    example = r#"
import pyarrow as pa
from mmlrs.stages import MultiColumnAdapterModel
from mmlrs.text import UnicodeNormalize
stages = [UnicodeNormalize(inputCol=name, outputCol=name.lower()) for name in ("A", "B")]
model = MultiColumnAdapterModel(inputCols=["A", "B"], outputCols=["a", "b"], stages=stages)
out = model.transform(pa.table({"A": ["X"], "B": ["Y"]}))
assert out.to_pydict() == {"A": ["X"], "B": ["Y"], "a": ["x"], "b": ["y"]}
"#
)]
pub struct MultiColumnAdapterModel {
    /// The columns.
    #[param(group)]
    pub columns: PairedColumns,
    /// The transformers, one for each pair of columns.
    #[param(required, non_empty)]
    pub stages: Vec<StageRef>,
}

impl HasSample for MultiColumnAdapterModel {
    fn sample() -> Sample {
        let indexer = |input: &str, output: &str, levels: Value| {
            let params = json!({"inputCol": input, "outputCol": output, "handleInvalid": "keep", "levels": levels});
            json!({"class": "mmlrs.featurize.ValueIndexerModel", "params": params})
        };
        let stages = [indexer("id", "place", json!([1, 2])), indexer("score", "rank", json!([0.5, 1.5]))];
        let params = json!({"inputCols": ["id", "score"], "outputCols": ["place", "rank"], "stages": stages});
        Sample::new(params, plain_rows())
    }
}
