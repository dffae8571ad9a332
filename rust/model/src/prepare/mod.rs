//! Prepares a model to run: it is cut, its batch dimension is dynamic and verified, and the types of all outputs are known.
//! This is done once on the driver. The bytes contain a note about it, so that workers use them unchanged.

mod free;
mod note;
mod outputs;
pub mod portable;
pub mod probe;
pub mod ranks;
mod ready;
mod settle;
mod trial;

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use mmlrs_core::{Cache, FileKey, ModelSource, Result, sha256_hex};

use crate::graph::cut::cut_graph;
use crate::graph::external;
use crate::graph::info::{ModelInfo, ValueInfo};
use crate::graph::prepared::{Batch, Content, Prepared};
use crate::graph::proto::entry;
use crate::graph::source::{load, sha256_of};
use note::{Note, PREPARED_KEY, same_names};
use ready::{Ready, serialize};

/// Maximum number of prepared models in a process, and their maximum bytes.
const PREPARED: usize = 16;
const PREPARED_BYTES: usize = 1 << 30;
/// Maximum number of model summaries, and their maximum bytes.
const SUMMARIES: usize = 64;
const SUMMARY_BYTES: usize = 64 << 20;

/// Information about a model from its graph alone.
struct Summary {
    info: Arc<ModelInfo>,
    tensors: HashSet<String>,
    prepared_for: Option<Vec<String>>,
    /// Locations relative to the model's folder.
    side_files: BTreeSet<String>,
}

/// The inputs and outputs of a model, without preparing it.
pub fn model_info(source: &ModelSource) -> Result<Arc<ModelInfo>> {
    Ok(summary(source)?.info.clone())
}

fn summary(source: &ModelSource) -> Result<Arc<Summary>> {
    static CACHE: Cache<String, Summary> = Cache::new("summaries of models", SUMMARIES, SUMMARY_BYTES);
    CACHE.get_or_make(sha256_of(source)?, || {
        let model = load(source)?.model;
        let computed = model.graph.node.iter().flat_map(|n| &n.output).filter(|o| !o.is_empty());
        let tensors: HashSet<String> = computed.cloned().collect();
        let info = Arc::new(ModelInfo::from_proto(&model));
        let prepared_for = info.meta(PREPARED_KEY).and_then(Note::parse).map(|note| note.fetches);
        let side_files = external::side_files(&model.graph);
        let bytes = tensors.iter().chain(&side_files).map(|name| name.len() + size_of::<String>()).sum();
        Ok((Summary { info, tensors, prepared_for, side_files }, bytes))
    })
}

/// Whether the model computes a tensor with that name.
pub fn computes(source: &ModelSource, name: &str) -> Result<bool> {
    Ok(summary(source)?.tensors.contains(name))
}

/// The tensors for which a model is prepared already, usually by the driver.
pub fn prepared_for(source: &ModelSource) -> Result<Option<Vec<String>>> {
    Ok(summary(source)?.prepared_for.clone())
}

/// The current states of the side files of a model, `None` for a file that cannot be read.
pub fn side_file_keys(source: &ModelSource) -> Result<Vec<Option<FileKey>>> {
    let ModelSource::Path(path) = source else { return Ok(Vec::new()) };
    let files = &summary(source)?.side_files;
    Ok(files.iter().map(|file| FileKey::of(&path.with_file_name(file), "").ok()).collect())
}

/// Key of a prepared model. It includes the file and the states of its side files.
type Key = (String, Option<PathBuf>, Vec<Option<FileKey>>, Vec<String>);

static CACHE: Cache<Key, Prepared> = Cache::new("prepared models", PREPARED, PREPARED_BYTES);

/// Prepares a model to compute `fetches`: outputs or any internal tensors; an empty list means all outputs. The work is done
/// once per process and model.
pub fn prepare(source: &ModelSource, fetches: &[String]) -> Result<Arc<Prepared>> {
    let path = match source {
        ModelSource::Path(path) => Some(path.clone()),
        ModelSource::Blob(_) => None,
    };
    let side_files = side_file_keys(source)?;
    let key: Key = (sha256_of(source)?, path, side_files.clone(), fetches.to_vec());
    CACHE.get_or_make(key, || {
        let prepared = Prepared { side_files, ..prepare_now(source, fetches)? };
        prepared.info.check()?;
        let cached_bytes = if matches!(prepared.content, Content::Bytes(_)) { prepared.size() } else { 0 };
        Ok((prepared, cached_bytes))
    })
}

fn prepare_now(source: &ModelSource, fetches: &[String]) -> Result<Prepared> {
    let loaded = load(source)?;
    let as_is = |info: ModelInfo, batch: Batch, notes: Vec<String>| Prepared {
        content: match &loaded.path {
            Some(path) => Content::File(path.clone()),
            None => Content::Bytes(loaded.bytes.clone()),
        },
        sha256: loaded.sha256.clone(),
        folder: None,
        side_files: Vec::new(),
        info,
        batch,
        notes,
    };
    let mut model = loaded.model;
    let mut info = ModelInfo::from_proto(&model);
    let external = external::has_external(&model.graph);
    // Side files are checked every time, since a note in a file is not trusted about their location.
    if !external
        && let Some(note) = info.meta(PREPARED_KEY).and_then(Note::parse)
        && note.covers(fetches, &info)
    {
        info.metadata.retain(|(key, _)| key != PREPARED_KEY);
        let Note { batch, notes, .. } = note;
        return Ok(as_is(info, batch, notes));
    }
    model.metadata_props.retain(|p| p.key != PREPARED_KEY);
    let folder = external::resolve(&mut model, loaded.path.as_deref())?;
    let mut changed = external;
    if !fetches.is_empty() && !same_names(fetches, &info.outputs) {
        cut_graph(&mut model, fetches)?;
        changed = true;
    }
    ModelInfo::from_proto(&model).check()?;
    let mut ready = Ready { model, folder, batch: Batch::Dynamic, notes: Vec::new(), changed };
    ready.settle_batch()?;
    ready.free_batch()?;
    ready.complete_outputs()?;
    if !ready.changed {
        let info = ModelInfo::from_proto(&ready.model);
        return Ok(as_is(info, ready.batch, ready.notes));
    }
    finish(ready, fetches)
}

/// Records the preparation in the model, so that it is not repeated.
fn finish(mut ready: Ready, fetches: &[String]) -> Result<Prepared> {
    let info = ModelInfo::from_proto(&ready.model);
    let fetches = if fetches.is_empty() { names(&info.outputs) } else { fetches.to_vec() };
    let note = Note { fetches, batch: ready.batch, notes: ready.notes };
    ready.model.metadata_props.push(entry(PREPARED_KEY, &note.to_json().to_string()));
    let bytes = serialize(&ready.model)?;
    let Note { batch, notes, .. } = note;
    let sha256 = sha256_hex(&bytes);
    Ok(Prepared {
        sha256,
        content: Content::Bytes(bytes),
        folder: ready.folder,
        side_files: Vec::new(),
        info,
        batch,
        notes,
    })
}

fn names(outputs: &[ValueInfo]) -> Vec<String> {
    outputs.iter().map(|o| o.name.clone()).collect()
}
