//! Results of the last batch, so that two output columns with a common beginning compute it once.
//!
//! Spark calls the column functions of one batch one after another with the very same buffers. A result is found again
//! by the program prefix that made it and the addresses of the source buffers; the sources are held here, so an address
//! cannot come to mean other data while its entry lives.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_data::ArrayData;

use mmlrs_core::{Column, PerProcess, RowError};

/// The result of one node on one batch.
#[derive(Debug, Clone)]
pub struct NodeResult {
    pub names: Vec<String>,
    pub columns: Vec<Column>,
    pub invalid: Vec<RowError>,
}

/// Addresses and lengths of every buffer of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceKey(Vec<usize>);

impl SourceKey {
    pub fn of(array: &ArrayRef) -> Self {
        fn visit(data: &ArrayData, out: &mut Vec<usize>) {
            out.extend([data.offset(), data.len()]);
            out.push(data.nulls().map_or(0, |n| n.validity().as_ptr() as usize));
            for buffer in data.buffers() {
                out.extend([buffer.as_ptr() as usize, buffer.len()]);
            }
            for child in data.child_data() {
                visit(child, out);
            }
        }
        let mut key = Vec::new();
        visit(&array.to_data(), &mut key);
        Self(key)
    }
}

/// The program prefix that makes a result, with its sources numbered, and the sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeKey {
    pub prefix: Arc<str>,
    pub sources: Vec<SourceKey>,
}

/// Programs remembered at once; far more than one query's columns.
const PROGRAMS: usize = 64;

#[derive(Default)]
struct Memo {
    /// The sources each program saw last, held alive.
    last: HashMap<Arc<str>, Vec<(SourceKey, ArrayRef)>>,
    results: HashMap<NodeKey, Arc<NodeResult>>,
    /// Prefixes whose value has been asked for by a column of its own.
    requested: HashSet<Arc<str>>,
}

static MEMO: PerProcess<Memo> = PerProcess::new(Memo::default);

fn with<T>(f: impl FnOnce(&mut Memo) -> T) -> T {
    f(&mut MEMO.lock())
}

/// Says that `program` now sees these sources; what it saw before is forgotten with all that was made of it.
pub fn begin(program: &Arc<str>, sources: &[(SourceKey, ArrayRef)]) {
    with(|memo| {
        if memo.last.len() >= PROGRAMS && !memo.last.contains_key(program) {
            memo.last.clear();
            memo.results.clear();
            memo.requested.clear();
        }
        memo.last.insert(program.clone(), sources.to_vec());
        let live: HashSet<&SourceKey> = memo.last.values().flatten().map(|(key, _)| key).collect();
        memo.results.retain(|key, _| key.sources.iter().all(|source| live.contains(source)));
    });
}

pub fn get(key: &NodeKey) -> Option<Arc<NodeResult>> {
    with(|memo| memo.results.get(key).cloned())
}

pub fn put(key: NodeKey, result: Arc<NodeResult>) {
    with(|memo| {
        let live = key.sources.iter().all(|s| memo.last.values().flatten().any(|(k, _)| k == s));
        if live {
            memo.results.insert(key, result);
        }
    });
}

/// Remembers that the value of `prefix` is a column that somebody reads.
pub fn request(prefix: &Arc<str>) {
    with(|memo| {
        memo.requested.insert(prefix.clone());
    });
}

pub fn is_requested(prefix: &Arc<str>) -> bool {
    with(|memo| memo.requested.contains(prefix))
}

/// Forgets everything.
pub fn clear() {
    with(|memo| *memo = Memo::default());
}
