//! A state of all rows that is computed in parts. Estimators and summaries share it.

use std::any::Any;

use arrow_schema::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Block, Context, Error, Result, Stage};

/// A stage that reads all rows into a state. The state must not depend on how the rows are split into partitions, beyond
/// rounding.
pub trait Aggregate: Stage {
    /// The state of the rows read so far.
    type State: Serialize + DeserializeOwned + Send + 'static;

    /// The state before any row, for input columns with these types and metadata. Returns an error for unsupported columns.
    fn new_state(&self, input: &Schema) -> Result<Self::State>;

    /// Adds the rows of a batch to the state.
    fn update(&self, state: &mut Self::State, block: &Block, cx: &Context) -> Result<()>;

    /// Adds the rows of another state.
    fn merge(&self, state: &mut Self::State, other: Self::State) -> Result<()>;

    /// Whether the state grows with the rows. Such states are merged by a Spark task rather than on the driver.
    fn grows(&self) -> bool {
        false
    }
}

/// A state with its type erased.
pub type AnyState = Box<dyn Any + Send>;

/// [`Aggregate`] with its types erased.
pub trait DynAggregate: Send + Sync {
    /// See [`Aggregate::new_state`].
    fn new_state(&self, input: &Schema) -> Result<AnyState>;
    /// See [`Aggregate::update`].
    fn update(&self, state: &mut AnyState, block: &Block, cx: &Context) -> Result<()>;
    /// Merges a state that another process wrote with [`DynAggregate::encode`].
    fn merge(&self, state: &mut AnyState, encoded: &[u8]) -> Result<()>;
    /// The state as bytes, for another process of the same version.
    fn encode(&self, state: &AnyState) -> Result<Vec<u8>>;
    /// See [`Aggregate::grows`].
    fn grows(&self) -> bool;
}

/// Written before every state, so that a state from a worker of another version is an error and is never misread.
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn foreign() -> Error {
    Error::runtime("the state of the fit has the wrong type")
}

impl<T: Aggregate> DynAggregate for T {
    fn new_state(&self, input: &Schema) -> Result<AnyState> {
        Ok(Box::new(Aggregate::new_state(self, input)?))
    }

    fn update(&self, state: &mut AnyState, block: &Block, cx: &Context) -> Result<()> {
        Aggregate::update(self, state.downcast_mut().ok_or_else(foreign)?, block, cx)
    }

    fn merge(&self, state: &mut AnyState, encoded: &[u8]) -> Result<()> {
        let damaged = |e| Error::runtime(format!("the state of the fit is damaged: {e}"));
        let (version, rest): (String, &[u8]) = postcard::take_from_bytes(encoded).map_err(damaged)?;
        if version != VERSION {
            return Err(Error::runtime(format!("a worker runs mmlrs {version}, the driver {VERSION}")));
        }
        let other = postcard::from_bytes(rest).map_err(damaged)?;
        Aggregate::merge(self, state.downcast_mut().ok_or_else(foreign)?, other)
    }

    fn encode(&self, state: &AnyState) -> Result<Vec<u8>> {
        let state: &T::State = state.downcast_ref().ok_or_else(foreign)?;
        let failed = |e| Error::runtime(format!("the state of the fit cannot be written: {e}"));
        let bytes = postcard::to_stdvec(VERSION).map_err(failed)?;
        postcard::to_extend(state, bytes).map_err(failed)
    }

    fn grows(&self) -> bool {
        Aggregate::grows(self)
    }
}
