//! A stage with its params, built once: its inputs, its plan for given columns, and its form for other processes.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::{Error, FileKey, ModelSource, ParamMap, ParamType, Result};
use mmlrs_model::side_file_keys;
use serde_json::{Map, Value, json};

use crate::entry::{Built, BuiltAggregate, Entry, vector_columns};

/// A stage with checked params, ready to plan or to fit.
pub struct Handle {
    entry: Entry,
    params: ParamMap,
    work: Work,
    /// The state of the files that its params name when it was built.
    files: Vec<Option<FileKey>>,
}

enum Work {
    Transform(Arc<Built>),
    Aggregate(Arc<BuiltAggregate>),
    /// The body is Python.
    Python,
}

/// A stage planned for input columns of some types.
pub struct StagePlan {
    entry: Entry,
    params: ParamMap,
    /// The stage, ready to run.
    pub stage: Arc<Built>,
    /// The columns it adds.
    pub fields: Vec<Field>,
    /// Messages to show the user once.
    pub notes: Vec<String>,
}

/// Params in a form that other processes can use, and the SHA-256s of the stored bytes that they refer to.
pub type Portable = (Map<String, Value>, Vec<String>);

impl Handle {
    /// Checks the params and builds the stage.
    pub fn new(stage: &str, params: ParamMap) -> Result<Self> {
        let entry = *crate::find(stage)?;
        // Before the files are read, so that a file that is replaced meanwhile counts as changed.
        let files = files_of(&entry, &params);
        let work = if entry.is_native() {
            Work::Transform(Arc::new(entry.build(&params)?))
        } else if entry.is_aggregate() {
            Work::Aggregate(Arc::new(entry.build_aggregate(&params)?))
        } else {
            entry.check(&params)?;
            Work::Python
        };
        Ok(Self { entry, params, work, files })
    }

    /// Whether the files that its params name, and the side files of models, are unchanged since it was built.
    pub fn is_current(&self) -> bool {
        self.files == files_of(&self.entry, &self.params)
    }

    /// The columns that the stage reads, without duplicates.
    pub fn inputs(&self) -> Result<Vec<String>> {
        match &self.work {
            Work::Transform(built) => built.input_columns(),
            Work::Aggregate(built) => Ok(built.input_columns()),
            Work::Python => Err(self.not_native()),
        }
    }

    /// Input columns whose Spark ML vectors it reads in their own form, dense or sparse.
    pub fn vector_inputs(&self) -> Vec<String> {
        match &self.work {
            Work::Transform(built) => vector_columns(built.spec, &built.inputs),
            Work::Aggregate(built) => vector_columns(built.spec, &built.inputs),
            Work::Python => Vec::new(),
        }
    }

    /// The plan for input columns of these types, under the names that the stage's params give.
    pub fn plan(&self, input: &Schema) -> Result<StagePlan> {
        let Work::Transform(built) = &self.work else { return Err(self.not_native()) };
        let name = built.spec.name;
        built.check_types(input)?;
        let bound = built.transform.bound_params(input).map_err(|e| e.at_stage(name))?;
        let (stage, params) = if bound.is_empty() {
            (built.clone(), self.params.clone())
        } else {
            let mut params = self.params.clone();
            params.values.extend(bound);
            (Arc::new(self.entry.build(&params)?), params)
        };
        let fields = stage.output_fields(input)?;
        let notes = stage.transform.notes().map_err(|e| e.at_stage(name))?;
        let notes = notes.iter().map(|note| format!("{name}: {note}")).collect();
        Ok(StagePlan { entry: self.entry, params, stage, fields, notes })
    }

    /// The estimator or summary, ready to run.
    pub fn aggregate(&self) -> Result<(Arc<BuiltAggregate>, &ParamMap)> {
        match &self.work {
            Work::Aggregate(built) => Ok((built.clone(), &self.params)),
            _ => Err(Error::runtime("is not a native estimator or summary").at_stage(self.entry.spec().name)),
        }
    }

    /// The params of an estimator or summary in a form that other processes can use.
    pub fn portable(&self) -> Result<Portable> {
        portable(&self.entry, &self.params, Vec::new())
    }

    fn not_native(&self) -> Error {
        let message = "is a DataFrame operation and cannot run as a column function";
        Error::runtime(message).at_stage(self.entry.spec().name)
    }
}

impl StagePlan {
    /// The params, including those that depend on the input columns, with models and files in a form that other processes can
    /// use.
    pub fn portable(&self) -> Result<Portable> {
        let models = self.stage.transform.portable_models().map_err(|e| e.at_stage(self.stage.spec.name))?;
        portable(&self.entry, &self.params, models)
    }

    /// The params, including those that depend on the input columns.
    pub fn params(&self) -> &Map<String, Value> {
        &self.params.values
    }
}

fn portable(entry: &Entry, params: &ParamMap, models: Vec<(&'static str, ModelSource)>) -> Result<Portable> {
    let models = models.into_iter().filter_map(|(param, source)| match source {
        ModelSource::Blob(sha256) => Some((param, sha256)),
        ModelSource::Path(_) => None,
    });
    let mut values = params.values.clone();
    let mut blobs = Vec::new();
    for (param, sha256) in models.chain(entry.files(params)?) {
        values.insert(param.to_owned(), json!({"sha256": sha256}));
        blobs.push(sha256);
    }
    Ok((values, blobs))
}

/// The states of the files that params name, and of the side files of models.
fn files_of(entry: &Entry, params: &ParamMap) -> Vec<Option<FileKey>> {
    let mut files = Vec::new();
    for param in &entry.spec().params {
        if !param.ty.is_content() {
            continue;
        }
        let Some(path) = params.values.get(param.name).and_then(|value| value.get("path")?.as_str()) else { continue };
        files.push(FileKey::of(Path::new(path), "").ok());
        if param.ty == ParamType::Model {
            // An error means a model that cannot be read, which is reported when the stage runs.
            files.extend(side_file_keys(&ModelSource::Path(path.into())).unwrap_or_default());
        }
    }
    files
}
