//! A column between two stages: Arrow, or a native form that is converted to Arrow only when it leaves the program.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use crate::{Context, Result, RowError};

/// A column that is not Arrow yet, such as encoded images.
pub trait NativeColumn: Any + Debug + Send + Sync {
    /// Number of rows.
    fn len(&self) -> usize;
    /// True when there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The Arrow type it is converted to.
    fn data_type(&self) -> DataType;
    /// Converts it to Arrow. Rows that become null under the policy of its stage are listed with the reason. Under
    /// `handleInvalid="error"` the first such row is the error.
    fn materialize(&self, cx: &Context) -> Result<Materialized>;
    /// For downcasting to the concrete type.
    fn as_any(&self) -> &dyn Any;
}

/// A native column converted to Arrow.
#[derive(Debug, Clone)]
pub struct Materialized {
    /// The values. Rows in `invalid` are null.
    pub array: ArrayRef,
    /// Why rows are null, in row order.
    pub invalid: Vec<RowError>,
}

/// The values of one column of a batch.
#[derive(Debug, Clone)]
pub enum Column {
    /// An Arrow array with the metadata of its field.
    Arrow(ArrayRef, HashMap<String, String>),
    /// A native column.
    Native(Arc<dyn NativeColumn>),
}

impl Column {
    /// An Arrow column without metadata.
    pub fn arrow(array: ArrayRef) -> Self {
        Self::Arrow(array, HashMap::new())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Arrow(array, _) => array.len(),
            Self::Native(column) => column.len(),
        }
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The Arrow type.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Arrow(array, _) => array.data_type().clone(),
            Self::Native(column) => column.data_type(),
        }
    }

    /// The Arrow field under a name.
    pub fn field(&self, name: &str) -> Field {
        let metadata = match self {
            Self::Arrow(_, metadata) => metadata.clone(),
            Self::Native(_) => HashMap::new(),
        };
        Field::new(name, self.data_type(), true).with_metadata(metadata)
    }

    /// The native column, if it has type `T`.
    pub fn native<T: NativeColumn>(&self) -> Option<&T> {
        match self {
            Self::Native(column) => column.as_any().downcast_ref(),
            Self::Arrow(..) => None,
        }
    }

    /// The values as Arrow, computed now if necessary.
    pub fn to_arrow(&self, cx: &Context) -> Result<ArrayRef> {
        match self {
            Self::Arrow(array, _) => Ok(array.clone()),
            Self::Native(column) => Ok(column.materialize(cx)?.array),
        }
    }
}
