//! `CountSelector`.

mod model;

use arrow_schema::Schema;
use mmlrs_core::vector::{VectorRow, Vectors};
use mmlrs_core::{Aggregate, Block, Context, Error, Fit, Fitted, HasSample, Result, RowPolicy, Sample, VectorType};
use mmlrs_macros::{ParamGroup, Stage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use model::CountSelectorModel;

/// Drops the slots of a vector column that are zero in every row.
///
/// The model keeps, in order, the slots that are nonzero in some row of the fit. Hashed text, for example, uses a small part of
/// its slots. Nulls, and arrays that contain a null, are ignored in the fit. The fit is one pass over the data, and its state
/// is one bit per slot.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = estimator,
    model = CountSelectorModel,
    example = r#"import pyarrow as pa
from mmlrs.featurize import CountSelector

table = pa.table({"counts": [[0.0, 2.0, 0.0], [0.0, 1.0, 3.0]]})
model = CountSelector(inputCol="counts", outputCol="used").fit(table)
assert model.getIndices() == [1, 2]
"#
)]
pub struct CountSelector {
    #[param(group)]
    shared: CountSelectorParams,
}

/// Params that the estimator and its model share.
#[derive(Debug, Clone, ParamGroup)]
pub struct CountSelectorParams {
    /// Name of the vector column.
    #[param(required, non_empty, role = input, accepts(sparse_vector))]
    pub input_col: String,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    pub output_col: String,
    #[param(group)]
    pub output_type: VectorType,
    #[param(group)]
    pub policy: RowPolicy,
}

/// Number of slots of a chunk.
const CHUNK: usize = 1 << 16;

/// The size of the vectors and a bit for every slot with a nonzero value, 64 to a word. Chunks without such slots are empty,
/// since sizes come from the data.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NonzeroSlots {
    size: Option<usize>,
    chunks: Vec<Vec<u64>>,
}

impl NonzeroSlots {
    fn set_size(&mut self, column: &str, size: usize) -> Result<()> {
        if self.size.is_some_and(|expected| expected != size) {
            let expected = self.size.unwrap_or_default();
            return Err(Error::decode(format!("vectors of different sizes: {expected} and {size}")).at_column(column));
        }
        if self.size.is_none() {
            self.size = Some(size);
            self.chunks = vec![Vec::new(); size.div_ceil(CHUNK)];
        }
        Ok(())
    }

    fn mark(&mut self, slot: usize) {
        let chunk = &mut self.chunks[slot / CHUNK];
        if chunk.is_empty() {
            chunk.resize(CHUNK / 64, 0);
        }
        chunk[slot % CHUNK / 64] |= 1 << (slot % 64);
    }

    fn slots(&self) -> Vec<usize> {
        let words = self.chunks.iter().enumerate().flat_map(|(at, chunk)| (at * CHUNK..).step_by(64).zip(chunk));
        words
            .flat_map(|(start, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| start + bit))
            .collect()
    }
}

impl Aggregate for CountSelector {
    type State = NonzeroSlots;

    fn new_state(&self, _input: &Schema) -> Result<NonzeroSlots> {
        Ok(NonzeroSlots::default())
    }

    fn update(&self, state: &mut NonzeroSlots, block: &Block, cx: &Context) -> Result<()> {
        let vectors =
            Vectors::from_array(&self.shared.input_col, &block.column(&self.shared.input_col)?.to_arrow(cx)?)?;
        for row in 0..vectors.len() {
            let Some(vector) = vectors.row(row).filter(|_| vectors.gap(row).is_none()) else { continue };
            state.set_size(&self.shared.input_col, vector.size()).map_err(|e| e.at_row(row))?;
            match vector {
                VectorRow::Dense(values) => {
                    for (slot, _) in values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                        state.mark(slot);
                    }
                }
                VectorRow::Sparse { indices, values, .. } => {
                    for (slot, _) in indices.iter().zip(values).filter(|(_, value)| **value != 0.0) {
                        state.mark(*slot as usize);
                    }
                }
            }
        }
        Ok(())
    }

    fn merge(&self, state: &mut NonzeroSlots, other: NonzeroSlots) -> Result<()> {
        let Some(size) = other.size else { return Ok(()) };
        state.set_size(&self.shared.input_col, size)?;
        for (chunk, other) in state.chunks.iter_mut().zip(other.chunks) {
            if chunk.is_empty() {
                *chunk = other;
                continue;
            }
            chunk.iter_mut().zip(other).for_each(|(word, other_word)| *word |= other_word);
        }
        Ok(())
    }
}

impl Fit for CountSelector {
    fn finish(&self, state: NonzeroSlots, _input: &Schema) -> Result<Fitted> {
        let Some(size) = state.size else {
            return Err(Error::decode("holds no vectors: it has no rows, or all values are null")
                .at_column(&self.shared.input_col));
        };
        let mut params = Map::new();
        params.insert("indices".to_owned(), Value::from(state.slots()));
        params.insert("size".to_owned(), json!(size));
        Ok(Fitted { params, ..Fitted::default() })
    }
}

impl HasSample for CountSelector {
    fn sample() -> Sample {
        let params = json!({"inputCol": "counts", "outputCol": "used"});
        Sample::new(params, crate::sample::vector_batch())
    }
}
