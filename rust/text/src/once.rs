//! Values that a stage computes from its params once and keeps.

use std::sync::{Arc, OnceLock};

use mmlrs_core::{ParamGroup, ParamMap, ParamSpec, Result};

/// A value that depends on the other params, computed on first use; a group without params.
#[derive(Debug)]
pub struct Once<T>(OnceLock<Arc<T>>);

impl<T> Once<T> {
    /// The value. `make` is called until it succeeds once.
    pub fn get(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(value) = self.0.get() {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        Ok(self.0.get_or_init(|| value).clone())
    }
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> ParamGroup for Once<T> {
    fn specs() -> Vec<ParamSpec> {
        Vec::new()
    }

    fn from_params(_: &ParamMap) -> Result<Self> {
        Ok(Self(OnceLock::new()))
    }
}
