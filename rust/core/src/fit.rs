//! The result of a state of all rows: the model of an estimator, or the table of a summary.

use arrow_schema::Schema;
use serde_json::{Map, Value};

use crate::aggregate::{AnyState, foreign};
use crate::{Aggregate, DynAggregate, Result};

/// The work of an estimator: it turns the state into the params of a model.
pub trait Fit: Aggregate {
    /// The model's params, for input columns with these types and metadata.
    fn finish(&self, state: Self::State, input: &Schema) -> Result<Fitted>;
}

/// The params of the model that an estimator fits.
#[derive(Debug, Clone, Default)]
pub struct Fitted {
    /// Values by camelCase name. Params that the estimator has under the same name need not be repeated.
    pub params: Map<String, Value>,
    /// Messages for the user, such as a column that is left out.
    pub notes: Vec<String>,
}

/// The work of a summary: it turns the state into a description of all rows. There is no model.
pub trait Summarize: Aggregate {
    /// The description, from which the stage's Python class builds a table.
    fn finish(&self, state: Self::State) -> Result<Map<String, Value>>;
}

/// [`Fit`] with its types erased.
pub trait DynFit: DynAggregate {
    /// See [`Fit::finish`].
    fn finish(&self, state: AnyState, input: &Schema) -> Result<Fitted>;
}

/// [`Summarize`] with its types erased.
pub trait DynSummarize: DynAggregate {
    /// See [`Summarize::finish`].
    fn finish(&self, state: AnyState) -> Result<Map<String, Value>>;
}

impl<T: Fit> DynFit for T {
    fn finish(&self, state: AnyState, input: &Schema) -> Result<Fitted> {
        Fit::finish(self, *state.downcast().map_err(|_| foreign())?, input)
    }
}

impl<T: Summarize> DynSummarize for T {
    fn finish(&self, state: AnyState) -> Result<Map<String, Value>> {
        Summarize::finish(self, *state.downcast().map_err(|_| foreign())?)
    }
}
