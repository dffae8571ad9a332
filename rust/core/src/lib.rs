//! The types that all mmlrs crates share: errors, stage descriptors, columns, the row policy and the two traits that a stage
//! implements. This crate does not depend on ONNX Runtime, OpenCV or Python.

mod aggregate;
mod blob;
mod block;
mod cache;
mod column;
mod context;
mod counters;
mod deadline;
mod error;
mod file_key;
mod fit;
mod float_rows;
mod fork;
mod guard;
mod interrupt;
mod java_text;
mod metric;
mod nearest;
mod numbers;
mod once;
mod param;
mod pieces;
mod policy;
mod policy_params;
mod sample;
mod spec;
mod stage;
mod stages;
mod tag;
mod threads;
pub mod types;
pub mod vector;
mod vector_type;
mod warning;

pub use aggregate::{Aggregate, AnyState, DynAggregate};
pub use blob::{Blob, blob, blob_info, hold_blobs, put_blob, sha256_hex};
pub use block::Block;
pub use cache::{Cache, CacheInfo, cache_info, clear_caches, hold_caches};
pub use column::{Column, Materialized, NativeColumn};
pub use context::Context;
pub use counters::{Counter, counters, reset_counters};
pub use deadline::Deadline;
pub use error::{Error, ErrorKind, Result};
pub use file_key::FileKey;
pub use fit::{DynFit, DynSummarize, Fit, Fitted, Summarize};
pub use float_rows::FloatRows;
pub use fork::{Kept, PerProcess, forked};
pub use guard::{guarded, panic_text};
pub use interrupt::{
    Stopper, check_interrupt, clear_interrupt, interrupt_requested, interruptible, is_interruptible, request_interrupt,
};
pub use java_text::{double_text, float_text};
pub use metric::{Judged, METRICS, Metric, metric, metric_names};
pub use nearest::{edit_distance, misspelt, nearest, suggestion};
pub use numbers::doubles;
pub use once::Once;
pub use param::{
    ColumnNames, FileSource, FunctionRef, ModelSource, NetworkLayers, Operation, ParamField, ParamGroup, ParamMap,
    SpaceRef, StageRef, StrMap, ValueList, WeightsSource,
};
pub use pieces::columns_in_pieces;
pub use policy::{HandleInvalid, Rejects, RowError, RowPolicy, fatal};
pub use sample::Sample;
pub use spec::{Accept, Body, Constraint, Default, Kind, ParamSpec, ParamType, Role, Rows, StageSpec};
pub use stage::{HasSample, Output, Stage, Transform};
pub use stages::StageList;
pub use tag::{Columns, Tag};
pub use threads::{ThreadBudget, in_pieces, parallel_map, parallel_map_beside, pieces_of};
pub use vector_type::VectorType;
pub use warning::{set_warning_host, warn};

/// Used by the expansion of `#[derive(Stage)]`; not part of the public interface.
#[doc(hidden)]
pub mod macro_support {
    pub use serde_json::json;
}
