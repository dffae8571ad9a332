//! Bytes that parameters refer to by content: models given as bytes. Kept for the life of the process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::Kept;

/// Forked children keep them: a param that refers to bytes means the same there.
static BLOBS: Kept<BTreeMap<String, Arc<[u8]>>> = Kept::new(BTreeMap::new());

/// Stores `bytes` and returns their SHA-256 as lower-case hex; storing the same bytes again costs only the hash.
pub fn put_blob(bytes: &[u8]) -> String {
    let key = sha256_hex(bytes);
    BLOBS.lock().entry(key.clone()).or_insert_with(|| Arc::from(bytes));
    key
}

/// The bytes stored under a SHA-256, if any.
pub fn blob(sha256: &str) -> Option<Arc<[u8]>> {
    BLOBS.lock().get(sha256).cloned()
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
