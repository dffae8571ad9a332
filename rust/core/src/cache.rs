//! What a process remembers so as not to do it again: bounded, and listed so that a user can see and clear it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Kept, PerProcess, Result, check_interrupt};

/// Every cache that this process has used.
static ALL: Kept<Vec<&'static dyn Listed>> = Kept::new(Vec::new());

/// The most recent values by their keys. At most so many, of at most so many bytes together; one value may be larger.
///
/// Each process has its own: what threads or a runtime belong to does not survive a fork.
#[derive(Debug)]
pub struct Cache<K: 'static, V: 'static> {
    name: &'static str,
    most_entries: usize,
    most_bytes: usize,
    entries: PerProcess<Entries<K, V>>,
    listed: AtomicBool,
}

/// The oldest first.
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

/// What a cache holds at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// What it is a cache of.
    pub name: &'static str,
    /// Values that it holds.
    pub entries: usize,
    /// Their bytes, as far as they are counted.
    pub bytes: usize,
    /// Most values that it holds.
    pub most_entries: usize,
    /// Most bytes that it holds.
    pub most_bytes: usize,
}

trait Listed: Sync {
    fn info(&self) -> CacheInfo;
    fn clear(&self);
}

impl<K: PartialEq + Send + Sync, V: Send + Sync> Cache<K, V> {
    /// An empty cache of what `name` says.
    pub const fn new(name: &'static str, most_entries: usize, most_bytes: usize) -> Self {
        Self { name, most_entries, most_bytes, entries: PerProcess::new(Entries::new), listed: AtomicBool::new(false) }
    }

    /// The value of a key, made now if it is not there, with its size in bytes. It is made under the lock: two threads that
    /// want the same make it once. An error is not kept.
    pub fn get_or_make(&'static self, key: K, make: impl FnOnce() -> Result<(V, usize)>) -> Result<Arc<V>> {
        // No `OnceLock`: a child that is forked in the middle of it would wait for ever.
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
        // What an interrupt cut short may look like an answer.
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
        let gone = std::mem::take(&mut self.entries.lock().0);
        drop(gone); // outside of the lock: a value may take long to go
    }
}

/// What the caches of this process hold, by name.
pub fn cache_info() -> Vec<CacheInfo> {
    let caches = ALL.lock().clone();
    let mut infos: Vec<CacheInfo> = caches.iter().map(|cache| cache.info()).collect();
    infos.sort_by_key(|info| info.name);
    infos
}

/// Empties the caches of this process; what is in use lives on until it no longer is.
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
        let mut made = false;
        let value = cache.get_or_make(key, || {
            made = true;
            Ok((key, bytes))
        });
        assert_eq!(value.ok().as_deref(), Some(&key));
        made
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
