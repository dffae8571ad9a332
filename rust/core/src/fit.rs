//! The work of an estimator: a summary of the data that can be merged, and the model it ends as.

use std::any::Any;

use arrow_schema::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Block, Context, Error, Result, Stage};

/// The work of an estimator. The result must not depend on how the rows are split into partitions, beyond rounding.
pub trait Fit: Stage {
    /// What is known of the rows seen so far.
    type State: Serialize + DeserializeOwned + Send + 'static;

    /// The state before any row, for input columns of these types, metadata included. Fails on columns that cannot be used.
    fn new_state(&self, input: &Schema) -> Result<Self::State>;

    /// Takes the rows of a batch in.
    fn update(&self, state: &mut Self::State, block: &Block, cx: &Context) -> Result<()>;

    /// Takes the rows that another state has seen in.
    fn merge(&self, state: &mut Self::State, other: Self::State) -> Result<()>;

    /// The model's own params, for input columns of these types, metadata included.
    fn finish(&self, state: Self::State, input: &Schema) -> Result<Fitted>;
}

/// What an estimator made: the params of its model.
#[derive(Debug, Clone, Default)]
pub struct Fitted {
    /// Values by camelCase name. Params that the estimator has under the same name need not be repeated.
    pub params: Map<String, Value>,
    /// Things a user should be told, such as a column that is left out.
    pub notes: Vec<String>,
}

/// A state with its type erased.
pub type FitState = Box<dyn Any + Send>;

/// [`Fit`] with its types erased.
pub trait DynFit: Send + Sync {
    /// See [`Fit::new_state`].
    fn new_state(&self, input: &Schema) -> Result<FitState>;
    /// See [`Fit::update`].
    fn update(&self, state: &mut FitState, block: &Block, cx: &Context) -> Result<()>;
    /// Takes in a state that another process wrote with [`DynFit::encode`].
    fn merge(&self, state: &mut FitState, encoded: &[u8]) -> Result<()>;
    /// The state as bytes, for another process of the same version.
    fn encode(&self, state: &FitState) -> Result<Vec<u8>>;
    /// See [`Fit::finish`].
    fn finish(&self, state: FitState, input: &Schema) -> Result<Fitted>;
}

/// Written before every state: a worker of another version says so instead of being misread.
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn foreign() -> Error {
    Error::runtime("the state of the fit is of another type")
}

impl<T: Fit> DynFit for T {
    fn new_state(&self, input: &Schema) -> Result<FitState> {
        Ok(Box::new(Fit::new_state(self, input)?))
    }

    fn update(&self, state: &mut FitState, block: &Block, cx: &Context) -> Result<()> {
        Fit::update(self, state.downcast_mut().ok_or_else(foreign)?, block, cx)
    }

    fn merge(&self, state: &mut FitState, encoded: &[u8]) -> Result<()> {
        let damaged = |e| Error::runtime(format!("the state of the fit is damaged: {e}"));
        let (version, rest): (String, &[u8]) = postcard::take_from_bytes(encoded).map_err(damaged)?;
        if version != VERSION {
            return Err(Error::runtime(format!("a worker runs mmlrs {version}, the driver {VERSION}")));
        }
        let other = postcard::from_bytes(rest).map_err(damaged)?;
        Fit::merge(self, state.downcast_mut().ok_or_else(foreign)?, other)
    }

    fn encode(&self, state: &FitState) -> Result<Vec<u8>> {
        let state: &T::State = state.downcast_ref().ok_or_else(foreign)?;
        let failed = |e| Error::runtime(format!("the state of the fit cannot be written: {e}"));
        let bytes = postcard::to_stdvec(VERSION).map_err(failed)?;
        postcard::to_extend(state, bytes).map_err(failed)
    }

    fn finish(&self, state: FitState, input: &Schema) -> Result<Fitted> {
        Fit::finish(self, *state.downcast().map_err(|_| foreign())?, input)
    }
}
