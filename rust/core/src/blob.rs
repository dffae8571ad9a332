//! Bytes that parameters refer to by content: models given as bytes. Kept for the life of the process.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};

static BLOBS: LazyLock<Mutex<HashMap<String, Arc<[u8]>>>> = LazyLock::new(Mutex::default);

/// Stores `bytes` and returns their SHA-256 as lower-case hex; storing the same bytes again costs only the hash.
pub fn put_blob(bytes: &[u8]) -> String {
    let key = sha256_hex(bytes);
    let mut blobs = BLOBS.lock().unwrap_or_else(PoisonError::into_inner);
    blobs.entry(key.clone()).or_insert_with(|| Arc::from(bytes));
    key
}

/// The bytes stored under a SHA-256, if any.
pub fn blob(sha256: &str) -> Option<Arc<[u8]>> {
    BLOBS.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
}

/// SHA-256 of `bytes` as lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
