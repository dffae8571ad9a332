//! Bytes that params refer to by content: models and files given as bytes. They live as long as somebody holds them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::fork::is_forking;
use crate::{Kept, PerProcess};

/// Most bytes that are kept though nobody holds them: on their way from one who made them to one who will hold them.
const LOOSE_BYTES: usize = 256 << 20;

#[derive(Debug, Default)]
struct Store {
    blobs: BTreeMap<String, Entry>,
    /// Keys of blobs that nobody has held yet, the oldest first.
    loose: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    bytes: Arc<[u8]>,
    holds: usize,
}

/// Forked children keep them: a param that refers to bytes means the same there.
static BLOBS: Kept<Option<Store>> = Kept::new(None);

/// Holds that ended while the store was in use.
static ENDED: PerProcess<Vec<String>> = PerProcess::new(Vec::new);

fn with<T>(work: impl FnOnce(&mut Store) -> T) -> T {
    let mut store = BLOBS.lock();
    let store = store.get_or_insert_with(Store::default);
    for key in std::mem::take(&mut *ENDED.lock()) {
        store.release(&key);
    }
    work(store)
}

/// Stores `bytes` for whoever will [`Blob::of`] them and returns their SHA-256 as lower-case hex; storing the same bytes again
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

/// Number and bytes of what is stored.
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

/// A hold on stored bytes; they go with the last one.
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
        // Whoever drops it may have the lock of Python's interpreter, and who has the store may wait for that: this must not
        // wait. The garbage collector may even run while this thread forks and has the store itself: these bytes then stay.
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
