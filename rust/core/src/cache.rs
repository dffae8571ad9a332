//! Caches of a process: bounded, and listed so that users can inspect and clear them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Kept, PerProcess, Result, check_interrupt};

/// Every cache that this process has used.
static ALL: Kept<Vec<&'static dyn Listed>> = Kept::new(Vec::new());

/// The most recently used values by key, bounded by number and by total bytes. A single value may exceed the bound on bytes.
///
/// Each process has its own cache, since values with threads or a runtime do not survive a fork.
#[derive(Debug)]
pub struct Cache<K: 'static, V: 'static> {
    name: &'static str,
    most_entries: usize,
    most_bytes: usize,
    entries: PerProcess<Entries<K, V>>,
    listed: AtomicBool,
}

/// Entries, oldest first.
#[derive(Debug)]
struct Entries<K, V>(Vec<(K, Arc<V>, usize)>);

impl<K, V> Entries<K, V> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn bytes(&self) -> usize {
        self.0.iter().fold(0, |sum, (.., bytes)| sum.saturating_add(*bytes))
    }
}

/// The current size of a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// What the cache holds.
    pub name: &'static str,
    /// Number of values in the cache.
    pub entries: usize,
    /// Total bytes of the values, as far as they are counted.
    pub bytes: usize,
    /// Maximum number of values.
    pub most_entries: usize,
    /// Maximum total bytes.
    pub most_bytes: usize,
}

trait Listed: Sync {
    fn info(&self) -> CacheInfo;
    fn clear(&self);
}

impl<K: PartialEq + Send + Sync, V: Send + Sync> Cache<K, V> {
    /// An empty cache called `name`.
    pub const fn new(name: &'static str, most_entries: usize, most_bytes: usize) -> Self {
        Self { name, most_entries, most_bytes, entries: PerProcess::new(Entries::new), listed: AtomicBool::new(false) }
    }

    /// The value of a key, with its size in bytes; computed now if it is missing. It is computed under the lock, so that two
    /// threads that request the same value compute it once. Errors are not cached.
    pub fn get_or_make(&'static self, key: K, make: impl FnOnce() -> Result<(V, usize)>) -> Result<Arc<V>> {
        // No `OnceLock`: a child that is forked in the middle of it would wait forever.
        if !self.listed.swap(true, Ordering::Relaxed) {
            ALL.lock().push(self);
        }
        let mut entries = self.entries.lock();
        if let Some(at) = entries.0.iter().position(|(k, ..)| *k == key) {
            let entry = entries.0.remove(at);
            let value = entry.1.clone();
            entries.0.push(entry);
            return Ok(value);
        }
        let outcome = make();
        // The result of work cut short by an interrupt may look valid.
        check_interrupt()?;
        let (value, bytes) = outcome?;
        let value = Arc::new(value);
        while !entries.0.is_empty()
            && (entries.0.len() >= self.most_entries || entries.bytes().saturating_add(bytes) > self.most_bytes)
        {
            entries.0.remove(0);
        }
        entries.0.push((key, value.clone(), bytes));
        Ok(value)
    }
}

impl<K: Send + Sync, V: Send + Sync> Listed for Cache<K, V> {
    fn info(&self) -> CacheInfo {
        let entries = self.entries.lock();
        CacheInfo {
            name: self.name,
            entries: entries.0.len(),
            bytes: entries.bytes(),
            most_entries: self.most_entries,
            most_bytes: self.most_bytes,
        }
    }

    fn clear(&self) {
        let dropped = std::mem::take(&mut self.entries.lock().0);
        drop(dropped); // outside the lock: dropping a value may take long
    }
}

/// The caches of this process and their sizes, by name.
pub fn cache_info() -> Vec<CacheInfo> {
    let caches = ALL.lock().clone();
    let mut infos: Vec<CacheInfo> = caches.iter().map(|cache| cache.info()).collect();
    infos.sort_by_key(|info| info.name);
    infos
}

/// Empties the caches of this process. Values in use live until they are dropped.
pub fn clear_caches() {
    let caches = ALL.lock().clone();
    for cache in caches {
        cache.clear();
    }
}

/// Keeps other threads from listing a cache until the calling thread has forked.
pub fn hold_caches() {
    ALL.hold();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn get(cache: &'static Cache<u8, u8>, key: u8, bytes: usize) -> bool {
        let mut computed = false;
        let value = cache.get_or_make(key, || {
            computed = true;
            Ok((key, bytes))
        });
        assert_eq!(value.ok().as_deref(), Some(&key));
        computed
    }

    #[test]
    fn the_value_used_longest_ago_goes_first() {
        static CACHE: Cache<u8, u8> = Cache::new("tests: entries", 2, 100);
        assert!(get(&CACHE, 1, 1) && get(&CACHE, 2, 1) && !get(&CACHE, 1, 1) && get(&CACHE, 3, 1));
        assert!(!get(&CACHE, 1, 1) && get(&CACHE, 2, 1));
    }

    #[test]
    fn bytes_are_bounded_but_for_one_value() {
        static CACHE: Cache<u8, u8> = Cache::new("tests: bytes", 10, 100);
        assert!(get(&CACHE, 1, 60) && get(&CACHE, 2, 30) && get(&CACHE, 3, 20));
        assert_eq!((CACHE.info().entries, CACHE.info().bytes), (2, 50));
        assert!(get(&CACHE, 4, 1000) && !get(&CACHE, 4, 1000));
        assert_eq!((CACHE.info().entries, CACHE.info().bytes), (1, 1000));
    }

    #[test]
    fn an_error_is_not_kept_and_caches_are_listed_and_cleared() {
        static CACHE: Cache<u8, u8> = Cache::new("tests: errors", 10, 100);
        assert!(CACHE.get_or_make(1, || Err(Error::model("damaged"))).is_err());
        assert!(get(&CACHE, 1, 7));
        assert!(cache_info().iter().any(|info| info.name == "tests: errors" && info.bytes == 7));
        CACHE.clear();
        assert_eq!(CACHE.info().entries, 0);
    }
}
