//! The two traits of a stage: its params (derived) and its work (written by hand).

use arrow_schema::{Field, Schema};
use serde_json::{Map, Value};

use crate::{Block, Column, Context, ModelSource, ParamMap, Result, RowError, RowPolicy, Sample, StageSpec};

/// A stage's params. `#[derive(Stage)]` implements it for the struct.
pub trait Stage: Sized + Send + Sync + 'static {
    /// The descriptor, built once.
    fn spec() -> &'static StageSpec;
    /// Parses and checks the params.
    fn from_params(params: &ParamMap) -> Result<Self>;
    /// The columns that the params name as inputs, each with the name of its param.
    fn inputs(&self) -> Vec<(&'static str, String)>;
    /// The row policy. Stages without the two params fail on a bad row.
    fn row_policy(&self) -> RowPolicy;
}

/// A small valid use of the stage, defined next to it.
pub trait HasSample {
    /// Params and data with which the stage runs.
    fn sample() -> Sample;
}

/// The work of a native stage that keeps the row count.
pub trait Transform: Send + Sync {
    /// The columns it adds, without the error column, for input columns of these types. Called before any data is read.
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>>;

    /// Computes the columns declared by `output_fields`, in that order.
    fn transform(&self, block: &Block, cx: &Context) -> Result<Output>;

    /// The columns it reads; `None` means those that its params name.
    fn resolved_inputs(&self) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// Params that depend on the types and metadata of the input columns, such as the levels of a nominal column. They are set
    /// before the stage runs, since workers have no metadata.
    fn bound_params(&self, _input: &Schema) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }

    /// Model params in the form sent to other processes: prepared once, here, and stored as blobs.
    fn portable_models(&self) -> Result<Vec<(&'static str, ModelSource)>> {
        Ok(Vec::new())
    }

    /// Messages to show a user once, such as a fallback to a slower method.
    fn notes(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The new columns of one batch.
#[derive(Debug, Clone)]
pub struct Output {
    /// The columns declared by [`Transform::output_fields`].
    pub columns: Vec<Column>,
    /// Rows that are null in an Arrow column, and why. A native column reports its own when it is materialised.
    pub invalid: Vec<RowError>,
}
