//! A registered stage, with its type erased.

use mmlrs_core::{
    Accept, Counter, DynAggregate, DynFit, DynSummarize, Error, FileSource, Fit, HasSample, ParamField, ParamMap,
    ParamType, Result, RowPolicy, Sample, Stage, StageSpec, Summarize, Transform, put_blob, types, vector,
};

use arrow_schema::{DataType, Field, Schema};

/// A registered stage.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    spec: fn() -> &'static StageSpec,
    check: fn(&ParamMap) -> Result<()>,
    build: Option<fn(&ParamMap) -> Result<Built>>,
    build_aggregate: Option<fn(&ParamMap) -> Result<BuiltAggregate>>,
    sample: fn() -> Sample,
}

/// A native stage with its params, ready to run.
pub struct Built {
    /// The stage's descriptor.
    pub spec: &'static StageSpec,
    /// Columns named by its params, each with the name of its param.
    pub inputs: Vec<(&'static str, String)>,
    /// The policy for bad rows.
    pub policy: RowPolicy,
    /// Its work.
    pub transform: Box<dyn Transform>,
}

/// A native estimator or summary with its params, ready to run.
pub struct BuiltAggregate {
    /// The stage's descriptor.
    pub spec: &'static StageSpec,
    /// Columns named by its params, each with the name of its param.
    pub inputs: Vec<(&'static str, String)>,
    /// Its work.
    pub work: AggregateWork,
}

/// The work of the two kinds of stages that read all rows into a state.
pub enum AggregateWork {
    /// An estimator, whose state becomes a model.
    Fit(Box<dyn DynFit>),
    /// A summary, whose state becomes a table.
    Summary(Box<dyn DynSummarize>),
}

impl Entry {
    /// A stage whose work is a Rust kernel.
    pub fn native<T: Stage + Transform + HasSample>() -> Self {
        Self { spec: T::spec, check: check::<T>, build: Some(build::<T>), build_aggregate: None, sample: T::sample }
    }

    /// An estimator whose work is a Rust kernel.
    pub fn estimator<T: Fit + HasSample>() -> Self {
        Self { spec: T::spec, check: check::<T>, build: None, build_aggregate: Some(build_fit::<T>), sample: T::sample }
    }

    /// A summary whose work is a Rust kernel.
    pub fn summary<T: Summarize + HasSample>() -> Self {
        Self {
            spec: T::spec,
            check: check::<T>,
            build: None,
            build_aggregate: Some(build_summary::<T>),
            sample: T::sample,
        }
    }

    /// A stage whose work is written in Python.
    pub fn python<T: Stage + HasSample>() -> Self {
        Self { spec: T::spec, check: check::<T>, build: None, build_aggregate: None, sample: T::sample }
    }

    /// The descriptor.
    pub fn spec(&self) -> &'static StageSpec {
        (self.spec)()
    }

    /// Whether it is a transformer whose work is a Rust kernel.
    pub fn is_native(&self) -> bool {
        self.build.is_some()
    }

    /// Whether it is an estimator or a summary whose work is a Rust kernel.
    pub fn is_aggregate(&self) -> bool {
        self.build_aggregate.is_some()
    }

    /// Checks params without running anything.
    pub fn check(&self, params: &ParamMap) -> Result<()> {
        (self.check)(params)
    }

    /// Builds the native stage. Returns an error if the body is Python.
    pub fn build(&self, params: &ParamMap) -> Result<Built> {
        let spec = self.spec();
        let build = self.build.ok_or_else(|| {
            Error::runtime("is a DataFrame operation and cannot run as a column function").at_stage(spec.name)
        })?;
        Counter::StageBuilds.add(1);
        build(params).map_err(|e| e.at_stage(spec.name))
    }

    /// Builds the native estimator or summary. Returns an error for any other stage.
    pub fn build_aggregate(&self, params: &ParamMap) -> Result<BuiltAggregate> {
        let spec = self.spec();
        let build = self
            .build_aggregate
            .ok_or_else(|| Error::runtime("is not a native estimator or summary").at_stage(spec.name))?;
        Counter::StageBuilds.add(1);
        build(params).map_err(|e| e.at_stage(spec.name))
    }

    /// The file params, each with the SHA-256 of its content, which is stored as a blob.
    pub fn files(&self, params: &ParamMap) -> Result<Vec<(&'static str, String)>> {
        let spec = self.spec();
        let mut files = Vec::new();
        for param in spec.params.iter().filter(|p| p.ty.is_content() && p.ty != ParamType::Model) {
            if let Some(file) = Option::<FileSource>::read(params, param).map_err(|e| e.at_stage(spec.name))? {
                files.push((param.name, put_blob(&file.read().map_err(|e| e.at_stage(spec.name))?)));
            }
        }
        Ok(files)
    }

    /// A small valid use of the stage.
    pub fn sample(&self) -> Sample {
        (self.sample)()
    }
}

fn check<T: Stage>(params: &ParamMap) -> Result<()> {
    T::from_params(params).map(drop)
}

fn build<T: Stage + Transform>(params: &ParamMap) -> Result<Built> {
    let stage = T::from_params(params)?;
    Ok(Built { spec: T::spec(), inputs: stage.inputs(), policy: stage.row_policy(), transform: Box::new(stage) })
}

fn build_fit<T: Fit>(params: &ParamMap) -> Result<BuiltAggregate> {
    let stage = T::from_params(params)?;
    Ok(BuiltAggregate { spec: T::spec(), inputs: stage.inputs(), work: AggregateWork::Fit(Box::new(stage)) })
}

fn build_summary<T: Summarize>(params: &ParamMap) -> Result<BuiltAggregate> {
    let stage = T::from_params(params)?;
    Ok(BuiltAggregate { spec: T::spec(), inputs: stage.inputs(), work: AggregateWork::Summary(Box::new(stage)) })
}

impl AggregateWork {
    /// The methods that both kinds share.
    pub fn states(&self) -> &dyn DynAggregate {
        match self {
            Self::Fit(fit) => fit.as_ref(),
            Self::Summary(summary) => summary.as_ref(),
        }
    }
}

impl BuiltAggregate {
    /// The columns the stage reads, in order, without duplicates.
    pub fn input_columns(&self) -> Vec<String> {
        distinct(self.inputs.iter().map(|(_, column)| column.clone()))
    }

    /// Returns an error if an input column has a type that the stage does not read.
    pub fn check_types(&self, schema: &Schema) -> Result<()> {
        check_types(self.spec, &self.inputs, schema)
    }
}

impl Built {
    /// The columns the stage reads, in order, without duplicates.
    pub fn input_columns(&self) -> Result<Vec<String>> {
        let named = match self.transform.resolved_inputs().map_err(|e| e.at_stage(self.spec.name))? {
            Some(columns) => columns,
            None => self.inputs.iter().map(|(_, column)| column.clone()).collect(),
        };
        Ok(distinct(named.into_iter()))
    }

    /// Returns an error if an input column has a type that the stage does not read.
    pub fn check_types(&self, schema: &Schema) -> Result<()> {
        check_types(self.spec, &self.inputs, schema)
    }

    /// The columns the stage adds, for input columns of these types.
    pub fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        Counter::Plans.add(1);
        self.check_types(input)?;
        self.transform.output_fields(input).map_err(|e| e.at_stage(self.spec.name))
    }
}

/// Columns whose Spark ML vectors the stage reads in their own form, dense or sparse.
pub fn vector_columns(spec: &StageSpec, inputs: &[(&'static str, String)]) -> Vec<String> {
    let sparse = |param: &str| spec.param(param).is_some_and(|p| p.accepts.contains(&Accept::SparseVector));
    distinct(inputs.iter().filter(|(param, _)| sparse(param)).map(|(_, column)| column.clone()))
}

fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = std::collections::HashSet::new();
    names.filter(|name| distinct.insert(name.clone())).collect()
}

fn check_types(spec: &StageSpec, inputs: &[(&'static str, String)], schema: &Schema) -> Result<()> {
    for (param, column) in inputs {
        let (Some(param), Ok(field)) = (spec.param(param), schema.field_with_name(column)) else { continue };
        if !param.accepts.is_empty() && !param.accepts.iter().any(|a| accepts(*a, field.data_type())) {
            let remedy = if types::is_text(field.data_type()) && param.accepts.contains(&Accept::Binary) {
                "; if these are paths, read the files first (mmlrs.image.read_images)"
            } else if *field.data_type() == DataType::Null {
                "; no value of the column gives it a type: is the list of values empty? To keep empty or all-null columns, give \
                 the column a type"
            } else {
                ""
            };
            let message = format!(
                "has type {}; {} reads {}{remedy}",
                types::type_name(field.data_type()),
                spec.name,
                Accept::words(param.accepts)
            );
            return Err(Error::schema(column, message).at_stage(spec.name));
        }
    }
    Ok(())
}

fn accepts(kind: Accept, data_type: &DataType) -> bool {
    let item = match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    };
    let numbers = item.is_some_and(vector::is_number);
    match kind {
        Accept::Image => types::is_image(data_type),
        Accept::Binary => types::is_binary(data_type),
        Accept::BinaryFile => types::is_binary_file(data_type),
        Accept::Text => types::is_text(data_type),
        Accept::Numeric => data_type.is_numeric() || matches!(data_type, DataType::Boolean),
        Accept::Vector => numbers,
        Accept::Array => item.is_some(),
        Accept::SparseVector => numbers || vector::is_vector_struct(data_type),
        Accept::Tensor => types::is_tensor(data_type),
        Accept::Any => true,
    }
}
