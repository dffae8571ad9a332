//! Values that a stage computes once.

use std::sync::{Arc, OnceLock};

use crate::Result;

/// A value that a stage derives from its params on first use, such as its plan. A clone starts without a value, since its
/// params may change.
///
/// The value is computed outside any lock, so that a fork or an interrupt in the middle leaves no lock held. Threads that need
/// it at the same time may each compute it, but all get the same value.
pub struct Once<T>(OnceLock<Arc<T>>);

impl<T> Once<T> {
    /// The value, computed on the first call. Errors are not kept.
    pub fn get_or_make(&self, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        if let Some(value) = self.0.get() {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        Ok(self.0.get_or_init(|| value).clone())
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> Clone for Once<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> std::fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() { "Once(computed)" } else { "Once(empty)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn the_value_is_made_once_and_an_error_is_not_kept() {
        let once = Once::default();
        assert!(once.get_or_make(|| Err::<i32, _>(Error::runtime("not yet"))).is_err());
        assert_eq!(once.get_or_make(|| Ok(1)).ok().as_deref(), Some(&1));
        assert_eq!(once.get_or_make(|| Ok(2)).ok().as_deref(), Some(&1));
        assert_eq!(once.clone().get_or_make(|| Ok(3)).ok().as_deref(), Some(&3));
    }
}
