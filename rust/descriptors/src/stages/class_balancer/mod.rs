//! `ClassBalancer`.

mod model;

use mmlrs_core::{HasSample, Sample};
use mmlrs_macros::{ParamGroup, Stage};
use serde_json::json;

use crate::sample::plain_rows;

pub use model::ClassBalancerModel;

/// Learns a weight for each class, so that rare classes count as much as the most frequent one.
///
/// The weight of a class is the count of the most frequent class divided by its own count. Classes are strings, numbers or
/// booleans. Null, NaN and infinite labels are not counted as classes. The fit is one aggregation.
#[derive(Debug, Clone, PartialEq, Eq, Stage)]
#[stage(
    module = "stages",
    body = python,
    kind = estimator,
    model = ClassBalancerModel,
    example = r#"
import pyarrow as pa
from mmlrs.stages import ClassBalancer
table = pa.table({"label": ["cat", "cat", "dog", None]})
model = ClassBalancer(inputCol="label").fit(table)
assert model.transform(table)["weight"].to_pylist() == [1.0, 1.0, 2.0, 1.0]
"#
)]
pub struct ClassBalancer {
    /// The columns and the join.
    #[param(group)]
    pub shared: ClassBalancerParams,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, PartialEq, Eq, ParamGroup)]
pub struct ClassBalancerParams {
    /// Name of the label column.
    #[param(required, non_empty, role = input, accepts(text, numeric))]
    pub input_col: String,
    /// Name of the column of weights to add.
    #[param(default = "weight", non_empty, role = output)]
    pub output_col: String,
    /// Send the weights of more than 1000 classes to every executor, where they are joined to the rows without a shuffle. Set
    /// it to False for more classes than an executor can hold; the rows are then shuffled. Up to 1000 classes are an
    /// expression, without a join. Applies to Spark only.
    #[param(default = true)]
    pub broadcast_join: bool,
}

impl HasSample for ClassBalancer {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "name"}), plain_rows())
    }
}
