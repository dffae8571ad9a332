//! A model made ready to run: cut, batch dimension free and verified, types of all outputs known. Made once on the
//! driver; the bytes carry a note of what was done, so that workers take them as they are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mmlrs_core::{Cache, Error, ModelSource, Result, sha256_hex};
use onnx_protobuf::{Message, ModelProto};
use serde_json::{Value, json};

use crate::batch::{fixed_batch, make_dynamic};
use crate::batch_first::{BatchAxis, make_batch_first};
use crate::cut::cut_graph;
use crate::info::{Dim, ModelInfo, ValueInfo, ValueKind};
use crate::proto::{entry, tensor_info};
use crate::session::{SessionOptions, open};
use crate::source::{load, parse, sha256_of};
use crate::{external, probe};

/// Metadata key of the note that a model is prepared, JSON text.
const PREPARED_KEY: &str = "mmlrs.prepared";

/// Most prepared models kept in a process, and most of their bytes.
const PREPARED: usize = 16;
const PREPARED_BYTES: usize = 1 << 30;
/// Most summaries of models kept, and most of their bytes.
const SUMMARIES: usize = 64;
const SUMMARY_BYTES: usize = 64 << 20;

/// How many rows a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Any number.
    Dynamic,
    /// Exactly this many: a short batch is filled up with copies of its last row.
    Fixed(usize),
}

/// Where a model's bytes are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a file, as it is.
    File(PathBuf),
}

/// A model ready to run.
#[derive(Debug, Clone)]
pub struct Prepared {
    content: Content,
    sha256: String,
    folder: Option<PathBuf>,
    /// What it reads and returns.
    pub info: ModelInfo,
    /// How many rows a run takes.
    pub batch: Batch,
    /// What the user should know, once: that a model runs row by row, for example.
    pub notes: Vec<String>,
}

impl Prepared {
    /// The bytes: an ONNX model that any process prepares for the same fetches by parsing it.
    pub fn bytes(&self) -> Result<Arc<[u8]>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::File(path) => Ok(Arc::from(std::fs::read(path).map_err(|e| Error::io(path.display(), e))?)),
        }
    }

    /// Length of [`Self::bytes`], as far as it is known without reading a file that is not there.
    pub fn size(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len(),
            Content::File(path) => std::fs::metadata(path).map_or(0, |meta| meta.len() as usize),
        }
    }

    /// SHA-256 of [`Self::bytes`] as lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The file that holds the bytes as they are, if one does.
    pub fn file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) => Some(path),
            Content::Bytes(_) => None,
        }
    }

    /// The folder with weights too large to travel with the model. Such a model is not shipped as bytes: every worker
    /// prepares it from its path.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// True when the graph takes one row at a time.
    pub fn is_row_by_row(&self) -> bool {
        self.batch == Batch::Fixed(1)
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }
}

/// What is known of a model from its graph alone.
struct Summary {
    info: Arc<ModelInfo>,
    tensors: HashSet<String>,
    prepared_for: Option<Vec<String>>,
}

/// What a model reads and returns, without preparing it.
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
        let bytes = tensors.iter().map(|name| name.len() + size_of::<String>()).sum();
        Ok((Summary { info, tensors, prepared_for }, bytes))
    })
}

/// Does the model compute a tensor of that name?
pub fn computes(source: &ModelSource, name: &str) -> Result<bool> {
    Ok(summary(source)?.tensors.contains(name))
}

/// The tensors that a model was prepared for already, by the driver usually.
pub fn prepared_for(source: &ModelSource) -> Result<Option<Vec<String>>> {
    Ok(summary(source)?.prepared_for.clone())
}

/// Identity of a prepared model: the file matters for models with side files.
type Key = (String, Option<PathBuf>, Vec<String>);

static CACHE: Cache<Key, Prepared> = Cache::new("prepared models", PREPARED, PREPARED_BYTES);

/// Prepares a model to compute `fetches`: outputs or any internal tensors; none means all outputs. The work is done once
/// per process and model.
pub fn prepare(source: &ModelSource, fetches: &[String]) -> Result<Arc<Prepared>> {
    let path = match source {
        ModelSource::Path(path) => Some(path.clone()),
        ModelSource::Blob(_) => None,
    };
    let key: Key = (sha256_of(source)?, path, fetches.to_vec());
    CACHE.get_or_make(key, || {
        let prepared = prepare_now(source, fetches)?;
        prepared.info.check()?;
        let kept = if matches!(prepared.content, Content::Bytes(_)) { prepared.size() } else { 0 };
        Ok((prepared, kept))
    })
}

fn prepare_now(source: &ModelSource, fetches: &[String]) -> Result<Prepared> {
    let loaded = load(source)?;
    let as_is = match &loaded.path {
        Some(path) => Content::File(path.clone()),
        None => Content::Bytes(loaded.bytes.clone()),
    };
    let mut model = loaded.model;
    let mut info = ModelInfo::from_proto(&model);
    let external = external::has_external(&model.graph);
    // Side files are checked every time: a note in a file is not to be trusted with where they lie.
    if !external
        && let Some(note) = info.meta(PREPARED_KEY).and_then(Note::parse)
        && note.covers(fetches, &info)
    {
        info.metadata.retain(|(key, _)| key != PREPARED_KEY);
        let Note { batch, notes, .. } = note;
        return Ok(Prepared { content: as_is, sha256: loaded.sha256, folder: None, info, batch, notes });
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
        return Ok(Prepared {
            content: as_is,
            sha256: loaded.sha256,
            folder: None,
            info,
            batch: ready.batch,
            notes: ready.notes,
        });
    }
    ready.finish(fetches)
}

fn same_names(fetches: &[String], outputs: &[ValueInfo]) -> bool {
    let wanted: HashSet<&str> = fetches.iter().map(String::as_str).collect();
    let have: HashSet<&str> = outputs.iter().map(|o| o.name.as_str()).collect();
    wanted == have
}

/// A model on its way to [`Prepared`].
pub(crate) struct Ready {
    pub model: ModelProto,
    pub folder: Option<PathBuf>,
    pub batch: Batch,
    pub notes: Vec<String>,
    /// Is there something to write down, so that it is not worked out again?
    pub changed: bool,
}

impl Ready {
    /// Makes a fixed batch dimension free, where a run shows that the results stay the same.
    fn free_batch(&mut self) -> Result<()> {
        let before = ModelInfo::from_proto(&self.model);
        let Some(size) = fixed_batch(&before) else { return Ok(()) };
        self.batch = Batch::Fixed(size);
        if before.inputs.iter().any(|i| i.shape().is_some_and(<[Dim]>::is_empty)) {
            return Ok(());
        }
        let bytes = serialise(&self.model)?;
        let mut original = self.open(bytes.clone())?;
        let tried = probe::can_be_tried(&before, size);
        let agrees = tried && {
            make_dynamic(&mut self.model, size);
            let dynamic = serialise(&self.model)?;
            self.open(dynamic).is_ok_and(|mut d| probe::agrees(&mut original, &before, &mut d, size))
        };
        if agrees {
            self.batch = Batch::Dynamic;
            self.changed = true;
        } else {
            // Weights may be large: the original is parsed again rather than kept twice.
            self.model = parse(&bytes, "the model")?;
            if size > 1 && !probe::independent(&mut original, &before, size) {
                return self.free_other_batch(&before, size);
            }
            self.notes.push(format!(
                "the model has a fixed batch of {size} that {}, so it runs {}",
                if tried { "cannot be made dynamic" } else { "is too large for a trial of a dynamic one" },
                if size == 1 { "row by row".to_owned() } else { format!("{size} rows at a time") }
            ));
        }
        Ok(())
    }

    /// The first dimension of the inputs is fixed, and is no batch: it may be the steps of one sequence, which is second.
    fn free_other_batch(&mut self, before: &ModelInfo, size: usize) -> Result<()> {
        let second = |value: &ValueInfo| match value.shape() {
            Some(shape @ [_, Dim::Fixed(1), _, ..]) => Some(BatchAxis { axis: 1, rank: shape.len() }),
            _ => None,
        };
        let inputs: Vec<Option<BatchAxis>> = before.inputs.iter().map(second).collect();
        if inputs.iter().any(Option::is_none) {
            return Err(Error::model(format!(
                "the inputs have a fixed first dimension of {size} which is not the batch: the rows of one run influence \
                 each other; export the model with a named batch dimension, or with a batch of 1"
            )));
        }
        let outputs: Vec<Option<BatchAxis>> = before.outputs.iter().map(second).collect();
        make_batch_first(&mut self.model, &inputs, &outputs);
        self.changed = true;
        self.batch = Batch::Dynamic;
        self.free_batch()
    }

    /// Fills in what outputs are where the graph does not say: a tensor in the middle of a graph has no declared type.
    fn complete_outputs(&mut self) -> Result<()> {
        let info = ModelInfo::from_proto(&self.model);
        let fixed_inputs = info.inputs.iter().all(|i| i.row_size().is_some());
        let known_ranks = info.inputs.iter().all(|i| i.shape().is_some());
        let open_type = |o: &ValueInfo| match &o.kind {
            ValueKind::Other(words) => words == "unknown",
            ValueKind::Tensor(_, None) => true,
            ValueKind::Tensor(..) => fixed_inputs && o.row_size().is_none(),
            _ => false,
        };
        if !info.outputs.iter().any(open_type) {
            return Ok(());
        }
        let mut session = self.open(serialise(&self.model)?)?;
        let mut probed: Option<Vec<probe::Probed>> = None;
        for (at, output) in info.outputs.iter().enumerate().filter(|(_, o)| open_type(o)) {
            let Some(mut found) = probe::inferred(&session, &output.name) else { continue };
            if let ValueKind::Tensor(element, None) = found.kind
                // The rank may follow from that of the data, which a trial does not know.
                && known_ranks
            {
                if probed.is_none() {
                    let rows = if let Batch::Fixed(n) = self.batch { n } else { 2 };
                    probed = Some(probe::run(&mut session, &info, 0..rows).unwrap_or_default());
                }
                let shape = probed.as_ref().and_then(|p| p.get(at)).map(|p| probed_shape(&p.shape, fixed_inputs));
                found.kind = ValueKind::Tensor(element, shape);
            }
            if let (ValueKind::Tensor(element, shape), Some(graph)) = (&found.kind, self.model.graph.as_mut()) {
                graph.output[at] = tensor_info(&output.name, *element, shape.as_deref());
                self.changed = true;
            }
        }
        Ok(())
    }

    pub(crate) fn open(&self, model: Arc<[u8]>) -> Result<ort::session::Session> {
        open(&Content::Bytes(model), self.folder.as_deref(), SessionOptions::plain())
    }

    fn finish(mut self, fetches: &[String]) -> Result<Prepared> {
        let info = ModelInfo::from_proto(&self.model);
        let fetches = if fetches.is_empty() { names(&info.outputs) } else { fetches.to_vec() };
        let note = Note { fetches, batch: self.batch, notes: self.notes };
        self.model.metadata_props.push(entry(PREPARED_KEY, &note.to_json().to_string()));
        let bytes = serialise(&self.model)?;
        let Note { batch, notes, .. } = note;
        let sha256 = sha256_hex(&bytes);
        Ok(Prepared { sha256, content: Content::Bytes(bytes), folder: self.folder, info, batch, notes })
    }
}

fn probed_shape(shape: &[i64], fixed_inputs: bool) -> Vec<Dim> {
    let size = |(at, n): (usize, &i64)| if at > 0 && fixed_inputs { Dim::Fixed(*n as usize) } else { Dim::Any };
    shape.iter().enumerate().map(size).collect()
}

fn names(outputs: &[ValueInfo]) -> Vec<String> {
    outputs.iter().map(|o| o.name.clone()).collect()
}

pub(crate) fn serialise(model: &ModelProto) -> Result<Arc<[u8]>> {
    let bytes = model.write_to_bytes().map_err(|e| Error::model(format!("the model cannot be written: {e}")))?;
    Ok(Arc::from(bytes))
}

/// What was done to a model, kept in its own metadata.
struct Note {
    fetches: Vec<String>,
    batch: Batch,
    notes: Vec<String>,
}

impl Note {
    fn to_json(&self) -> Value {
        json!({
            "fetches": self.fetches,
            "batch": if let Batch::Fixed(n) = self.batch { n } else { 0 },
            "notes": self.notes,
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let texts = |key: &str| -> Option<Vec<String>> {
            value.get(key)?.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect()
        };
        let batch = value.get("batch")?.as_u64()? as usize;
        Some(Self {
            fetches: texts("fetches")?,
            batch: if batch == 0 { Batch::Dynamic } else { Batch::Fixed(batch) },
            notes: texts("notes")?,
        })
    }

    fn covers(&self, fetches: &[String], info: &ModelInfo) -> bool {
        let all = fetches.is_empty() || same_names(fetches, &info.outputs);
        all && self.fetches.iter().all(|f| info.output(f).is_some())
    }
}
