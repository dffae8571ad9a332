//! Results of the last batch, so that two output columns that share their first stages compute those once.
//!
//! Spark calls the column functions of one batch one after another with the same buffers. A result is looked up by the program
//! prefix that computes it and the addresses of the source buffers. The sources are held here, so an address cannot be reused
//! for other data while its entry exists.

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

/// The program prefix that computes a result, with its sources numbered, and the sources.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeKey {
    pub prefix: Arc<str>,
    pub sources: Vec<SourceKey>,
}

/// Maximum number of remembered programs, far more than the columns of one query.
const PROGRAMS: usize = 64;

#[derive(Default)]
struct Memo {
    /// The last sources of each program, kept alive.
    last: HashMap<Arc<str>, Vec<(SourceKey, ArrayRef)>>,
    results: HashMap<NodeKey, Arc<NodeResult>>,
    /// Prefixes whose value has been requested as an output column.
    requested: HashSet<Arc<str>>,
}

impl Memo {
    fn begin(&mut self, program: &Arc<str>, sources: &[(SourceKey, ArrayRef)]) {
        if self.last.len() >= PROGRAMS && !self.last.contains_key(program) {
            *self = Self::default();
        }
        self.last.insert(program.clone(), sources.to_vec());
        let live: HashSet<&SourceKey> = self.last.values().flatten().map(|(key, _)| key).collect();
        self.results.retain(|key, _| key.sources.iter().all(|source| live.contains(source)));
    }

    fn put(&mut self, key: NodeKey, result: Arc<NodeResult>) {
        if key.sources.iter().all(|source| self.last.values().flatten().any(|(live, _)| live == source)) {
            self.results.insert(key, result);
        }
    }
}

static MEMO: PerProcess<Memo> = PerProcess::new(Memo::default);

fn with<T>(f: impl FnOnce(&mut Memo) -> T) -> T {
    f(&mut MEMO.lock())
}

/// Records that `program` now reads these sources. Its earlier sources and all results computed from them are dropped.
pub fn begin(program: &Arc<str>, sources: &[(SourceKey, ArrayRef)]) {
    with(|memo| memo.begin(program, sources));
}

/// The result, if it was computed from these same buffers.
pub fn get(key: &NodeKey) -> Option<Arc<NodeResult>> {
    with(|memo| memo.results.get(key).cloned())
}

/// Keeps a result until its program reads other sources.
pub fn put(key: NodeKey, result: Arc<NodeResult>) {
    with(|memo| memo.put(key, result));
}

/// Records that the value of `prefix` is read as an output column.
pub fn request(prefix: &Arc<str>) {
    with(|memo| {
        memo.requested.insert(prefix.clone());
    });
}

/// Whether the value of `prefix` is read as an output column.
pub fn is_requested(prefix: &Arc<str>) -> bool {
    with(|memo| memo.requested.contains(prefix))
}

/// Drops everything.
pub fn clear() {
    with(|memo| *memo = Memo::default());
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, Int32Array, StringArray};

    use super::*;

    fn numbers(values: &[Option<i32>]) -> ArrayRef {
        Arc::new(Int32Array::from(values.to_vec()))
    }

    fn source(array: &ArrayRef) -> (SourceKey, ArrayRef) {
        (SourceKey::of(array), array.clone())
    }

    fn key(prefix: &str, sources: &[&ArrayRef]) -> NodeKey {
        NodeKey { prefix: prefix.into(), sources: sources.iter().map(|array| SourceKey::of(array)).collect() }
    }

    fn result() -> Arc<NodeResult> {
        Arc::new(NodeResult { names: Vec::new(), columns: Vec::new(), invalid: Vec::new() })
    }

    #[test]
    fn an_array_is_known_by_its_buffers_and_not_by_its_values() {
        let array = numbers(&[Some(1), Some(2), None]);
        assert_eq!(SourceKey::of(&array), SourceKey::of(&array.clone()));
        assert_ne!(SourceKey::of(&array), SourceKey::of(&numbers(&[Some(1), Some(2), None])));
    }

    #[test]
    fn slices_and_nulls_of_one_buffer_are_different_sources() {
        let (_, values, _) = Int32Array::from(vec![1, 2, 3]).into_parts();
        let plain: ArrayRef = Arc::new(Int32Array::new(values.clone(), None));
        let nulls: ArrayRef = Arc::new(Int32Array::new(values, Some(vec![true, false, true].into())));
        let keys = [
            SourceKey::of(&plain),
            SourceKey::of(&nulls),
            SourceKey::of(&plain.slice(0, 2)),
            SourceKey::of(&plain.slice(1, 2)),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn members_of_a_nested_array_count() {
        let list = |item: &str| -> ArrayRef {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![item]));
            Arc::new(arrow_array::StructArray::from(vec![(
                Arc::new(arrow_schema::Field::new("text", texts.data_type().clone(), true)),
                texts,
            )]))
        };
        assert_ne!(SourceKey::of(&list("a")), SourceKey::of(&list("a")));
    }

    #[test]
    fn a_result_is_found_by_the_same_prefix_and_the_same_buffers_only() {
        let (mut memo, array, other) = (Memo::default(), numbers(&[Some(1)]), numbers(&[Some(1)]));
        let kept = result();
        memo.begin(&"program".into(), &[source(&array), source(&other)]);
        memo.put(key("a", &[&array]), kept.clone());
        assert!(memo.results.get(&key("a", &[&array])).is_some_and(|result| Arc::ptr_eq(result, &kept)));
        for miss in [key("b", &[&array]), key("a", &[&other]), key("a", &[&array, &other]), key("a", &[])] {
            assert!(!memo.results.contains_key(&miss));
        }
    }

    #[test]
    fn sources_are_held_until_the_next_batch_and_results_go_with_them() {
        let (mut memo, array, next) = (Memo::default(), numbers(&[Some(1)]), numbers(&[Some(2)]));
        let program: Arc<str> = "program".into();
        memo.begin(&program, &[source(&array)]);
        memo.put(key("a", &[&array]), result());
        assert_eq!(Arc::strong_count(&array), 2, "an address stays taken while its result is kept");
        memo.begin(&program, &[source(&next)]);
        assert_eq!((Arc::strong_count(&array), memo.results.len()), (1, 0));
    }

    #[test]
    fn a_result_stays_as_long_as_one_program_sees_its_sources() {
        let (mut memo, array, next) = (Memo::default(), numbers(&[Some(1)]), numbers(&[Some(2)]));
        let (first, second): (Arc<str>, Arc<str>) = ("first".into(), "second".into());
        memo.begin(&first, &[source(&array)]);
        memo.put(key("a", &[&array]), result());
        memo.begin(&second, &[source(&array)]);
        memo.begin(&first, &[source(&next)]);
        assert!(memo.results.contains_key(&key("a", &[&array])));
        memo.begin(&second, &[source(&next)]);
        assert!(memo.results.is_empty());
    }

    #[test]
    fn a_result_that_comes_after_its_batch_is_not_kept() {
        let (mut memo, array, next) = (Memo::default(), numbers(&[Some(1)]), numbers(&[Some(2)]));
        memo.begin(&"program".into(), &[source(&next)]);
        memo.put(key("a", &[&array]), result());
        memo.put(key("a", &[&next, &array]), result());
        assert!(memo.results.is_empty());
    }

    #[test]
    fn more_programs_than_are_remembered_start_anew() {
        let (mut memo, array) = (Memo::default(), numbers(&[Some(1)]));
        for number in 0..PROGRAMS {
            memo.begin(&number.to_string().into(), &[source(&array)]);
        }
        memo.put(key("a", &[&array]), result());
        memo.requested.insert("a".into());
        memo.begin(&"0".into(), &[source(&array)]);
        assert_eq!((memo.last.len(), memo.results.len()), (PROGRAMS, 1), "a known program takes its own place");
        memo.begin(&"one more".into(), &[source(&array)]);
        assert_eq!((memo.last.len(), memo.results.len(), memo.requested.len()), (1, 0, 0));
    }
}
