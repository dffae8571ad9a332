//! `CountSelectorModel`.

use std::collections::HashMap;

use arrow_schema::{Field, Schema};
use mmlrs_core::vector::{VectorBuilder, VectorRow, Vectors};
use mmlrs_core::{Block, Context, Error, HasSample, Output, Rejects, Result, Sample, Transform};
use mmlrs_macros::Stage;
use serde_json::json;

use super::CountSelectorParams;
use crate::numbers::null_at;

/// Keeps some slots of a vector column, as fitted by `CountSelector`.
///
/// The output has one slot for each kept slot, in the same order. If none is kept, its vectors have size zero. It is dense or
/// sparse, whichever is smaller.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = model,
    example = r#"import pyarrow as pa
from mmlrs.featurize import CountSelectorModel

table = pa.table({"counts": [[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]]})
table = CountSelectorModel(inputCol="counts", outputCol="used", indices=[1, 2], size=3).transform(table)
assert table["used"][1].as_py()["values"] == [1.0, 3.0]
"#
)]
pub struct CountSelectorModel {
    #[param(group)]
    shared: CountSelectorParams,
    /// The slots to keep, ascending.
    #[param(required, min(0))]
    indices: Vec<i64>,
    /// Number of slots of the input vectors.
    #[param(required, range(0, 2_147_483_647))]
    size: usize,
}

impl CountSelectorModel {
    fn check(&self) -> Result<()> {
        let ascend = self.indices.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || self.indices.last().is_some_and(|last| *last as usize >= self.size) {
            return Err(Error::param("indices", format!("must be ascending and below the size {}", self.size)));
        }
        Ok(())
    }
}

impl Transform for CountSelectorModel {
    fn output_fields(&self, _input: &Schema) -> Result<Vec<Field>> {
        self.check()?;
        let (size, form) = (self.indices.len(), self.shared.output_type);
        Ok(vec![form.struct_field(&self.shared.output_col, Some(size), Some(&json!({"num_attrs": size})))])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let vectors =
            Vectors::from_array(&self.shared.input_col, &block.column(&self.shared.input_col)?.to_arrow(cx)?)?;
        let places: HashMap<i64, i32, foldhash::fast::RandomState> = self.indices.iter().copied().zip(0..).collect();
        let mut rejects = Rejects::new(self.shared.policy.handle_invalid);
        let mut out = VectorBuilder::with_capacity(vectors.len());
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        for row in 0..vectors.len() {
            let error = match vectors.row(row) {
                None => Error::decode("is null"),
                Some(vector) if vector.size() != self.size => {
                    Error::decode(format!("has {} slots, expected {}", vector.size(), self.size))
                }
                Some(_) if vectors.gap(row).is_some() => Error::decode(null_at(vectors.gap(row).unwrap_or_default())),
                Some(vector) => {
                    indices.clear();
                    values.clear();
                    each_value(vector, |slot, value| {
                        if let Some(place) = places.get(&(slot as i64)) {
                            indices.push(*place);
                            values.push(value);
                        }
                    });
                    out.push_compressed(self.indices.len(), &indices, &values);
                    continue;
                }
            };
            rejects.reject(row, error.at_column(&self.shared.input_col))?;
            out.push_null();
        }
        Ok(Output {
            columns: vec![self.shared.output_type.struct_column(out.finish()?, Some(self.indices.len()))?],
            invalid: rejects.into_rows(),
        })
    }
}

/// Calls `f` with every nonzero slot.
fn each_value(vector: VectorRow<'_>, mut f: impl FnMut(usize, f64)) {
    match vector {
        VectorRow::Dense(all) => {
            all.iter().enumerate().filter(|(_, v)| **v != 0.0).for_each(|(slot, value)| f(slot, *value));
        }
        VectorRow::Sparse { indices, values, .. } => {
            let pairs = indices.iter().zip(values);
            pairs.filter(|(_, v)| **v != 0.0).for_each(|(slot, value)| f(*slot as usize, *value));
        }
    }
}

impl HasSample for CountSelectorModel {
    fn sample() -> Sample {
        let params = json!({"inputCol": "counts", "outputCol": "used", "indices": [1, 4], "size": 6});
        Sample::new(params, crate::sample::vector_batch())
    }
}
