//! `ClassBalancerModel`.

use mmlrs_core::{HasSample, Sample, ValueList};
use mmlrs_macros::Stage;
use serde_json::json;

use super::ClassBalancerParams;
use crate::sample::plain_rows;

/// Adds the weight of each row's class, as fitted by `ClassBalancer`.
///
/// A label that did not occur in the fit has weight 1, and so has null. No row is dropped.
#[derive(Debug, Clone, PartialEq, Stage)]
#[stage(
    module = "stages",
    body = python,
    kind = model,
    example = r#"
import pyarrow as pa
from mmlrs.stages import ClassBalancerModel
table = pa.table({"label": [3, 7, 8]})
model = ClassBalancerModel(inputCol="label", values=[3, 7], weights=[1.0, 4.0])
assert model.transform(table)["weight"].to_pylist() == [1.0, 4.0, 1.0]
"#
)]
pub struct ClassBalancerModel {
    /// The columns and the join.
    #[param(group)]
    pub shared: ClassBalancerParams,
    /// The classes.
    #[param(required)]
    pub values: ValueList,
    /// The weight of each class.
    #[param(required, above(0))]
    pub weights: Vec<f64>,
}

impl HasSample for ClassBalancerModel {
    fn sample() -> Sample {
        Sample::new(json!({"inputCol": "name", "values": ["a", "b"], "weights": [1.0, 2.5]}), plain_rows())
    }
}
