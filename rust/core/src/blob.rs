//! Bytes that params refer to by content: models and files given as bytes. A blob lives as long as it has holders.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::fork::is_forking;
use crate::{Kept, PerProcess};

/// Maximum bytes kept for blobs without a holder, on their way from the code that stores them to the code that will hold them.
const LOOSE_BYTES: usize = 256 << 20;

#[derive(Debug, Default)]
struct Store {
    blobs: BTreeMap<String, Entry>,
    /// Keys of blobs that have never been held, oldest first.
    loose: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    bytes: Arc<[u8]>,
    holds: usize,
}

/// Forked children keep the store, so a param that refers to bytes is still valid there.
static BLOBS: Kept<Option<Store>> = Kept::new(None);

/// Keys of holds that ended while the store was locked.
static ENDED: PerProcess<Vec<String>> = PerProcess::new(Vec::new);

fn with<T>(work: impl FnOnce(&mut Store) -> T) -> T {
    let mut store = BLOBS.lock();
    let store = store.get_or_insert_with(Store::default);
    for key in std::mem::take(&mut *ENDED.lock()) {
        store.release(&key);
    }
    work(store)
}

/// Stores `bytes` until a [`Blob::of`] holds them, and returns their SHA-256 as lower-case hex. Storing the same bytes again
/// costs only the hash.
pub fn put_blob(bytes: &[u8]) -> String {
    let key = sha256_hex(bytes);
    with(|store| store.put(&key, bytes));
    key
}

/// The bytes stored under a SHA-256, if any.
pub fn blob(sha256: &str) -> Option<Arc<[u8]>> {
    with(|store| store.blobs.get(sha256).map(|entry| entry.bytes.clone()))
}

/// Number of stored blobs and their bytes.
pub fn blob_info() -> (usize, usize) {
    with(|store| (store.blobs.len(), store.blobs.values().map(|entry| entry.bytes.len()).sum()))
}

impl Store {
    fn put(&mut self, key: &str, bytes: &[u8]) {
        if self.blobs.contains_key(key) {
            return;
        }
        self.blobs.insert(key.to_owned(), Entry { bytes: Arc::from(bytes), holds: 0 });
        self.loose.push(key.to_owned());
        let size =
            |store: &Self| store.loose.iter().filter_map(|k| store.blobs.get(k)).map(|e| e.bytes.len()).sum::<usize>();
        while self.loose.len() > 1 && size(self) > LOOSE_BYTES {
            let oldest = self.loose.remove(0);
            self.blobs.remove(&oldest);
        }
    }
}

/// A hold on stored bytes. They are removed with their last hold.
#[derive(Debug)]
pub struct Blob(String);

impl Blob {
    /// Stores bytes and holds them.
    pub fn put(bytes: &[u8]) -> Self {
        let key = sha256_hex(bytes);
        with(|store| {
            store.put(&key, bytes);
            store.hold(&key);
        });
        Self(key)
    }

    /// A hold on the bytes stored under a SHA-256, if any.
    pub fn of(sha256: &str) -> Option<Self> {
        with(|store| store.hold(sha256)).then(|| Self(sha256.to_owned()))
    }

    /// The SHA-256 as lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.0
    }
}

impl Store {
    fn hold(&mut self, key: &str) -> bool {
        let Some(entry) = self.blobs.get_mut(key) else { return false };
        entry.holds += 1;
        self.loose.retain(|loose| loose != key);
        true
    }

    fn release(&mut self, key: &str) {
        if let Some(entry) = self.blobs.get_mut(key) {
            entry.holds = entry.holds.saturating_sub(1);
            if entry.holds == 0 {
                self.blobs.remove(key);
            }
        }
    }
}

impl Drop for Blob {
    fn drop(&mut self) {
        // The dropping thread may hold the lock of Python's interpreter, for which the thread that has locked the store may be
        // waiting, so this must not block. The garbage collector may even run while this thread forks and has locked the store
        // itself. The bytes then stay.
        if is_forking() {
            return;
        }
        match BLOBS.try_lock() {
            Some(mut store) => store.get_or_insert_with(Store::default).release(&self.0),
            None => ENDED.lock().push(std::mem::take(&mut self.0)),
        }
    }
}

/// Keeps other threads from storing bytes until the calling thread has forked.
pub fn hold_blobs() {
    BLOBS.hold();
}

/// SHA-256 of `bytes` as lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_with_the_last_hold() {
        let key = put_blob(b"a model of the tests");
        let first = Blob::of(&key);
        let second = Blob::put(b"a model of the tests");
        assert_eq!(second.sha256(), key);
        drop(first);
        assert!(blob(&key).is_some());
        drop(second);
        assert!(blob(&key).is_none() && Blob::of(&key).is_none());
    }

    #[test]
    fn what_nobody_holds_is_bounded() {
        let mut store = Store::default();
        let bytes = vec![0; LOOSE_BYTES / 2];
        for key in ["a", "b", "c"] {
            store.put(key, &bytes);
        }
        assert_eq!(store.loose, ["b", "c"]);
        assert!(store.hold("b") && store.loose == ["c"]);
        store.put("d", &bytes);
        store.put("e", &bytes);
        assert!(store.blobs.contains_key("b") && !store.blobs.contains_key("c"));
    }
}
