//! The note in a model's metadata about its preparation.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::graph::info::{ModelInfo, ValueInfo};
use crate::graph::prepared::Batch;

/// Metadata key of the note, as JSON.
pub const PREPARED_KEY: &str = "mmlrs.prepared";

/// The preparation of a model, stored in its own metadata.
pub struct Note {
    /// The tensors it computes.
    pub fetches: Vec<String>,
    /// The number of rows per run.
    pub batch: Batch,
    /// Messages for the user.
    pub notes: Vec<String>,
}

impl Note {
    /// The note as it is stored.
    pub fn to_json(&self) -> Value {
        json!({
            "fetches": self.fetches,
            "batch": if let Batch::Fixed(n) = self.batch { n } else { 0 },
            "notes": self.notes,
        })
    }

    /// Parses a note; `None` if the text is not one.
    pub fn parse(text: &str) -> Option<Self> {
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

    /// Whether the model of the note is prepared for these fetches.
    pub fn covers(&self, fetches: &[String], info: &ModelInfo) -> bool {
        let all = fetches.is_empty() || same_names(fetches, &info.outputs);
        all && self.fetches.iter().all(|f| info.output(f).is_some())
    }
}

/// Whether these are the names of the outputs, in any order.
pub fn same_names(fetches: &[String], outputs: &[ValueInfo]) -> bool {
    let requested: HashSet<&str> = fetches.iter().map(String::as_str).collect();
    let have: HashSet<&str> = outputs.iter().map(|o| o.name.as_str()).collect();
    requested == have
}
