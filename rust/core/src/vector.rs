//! Spark ML vectors, dense or sparse, as the Arrow struct that Spark itself uses for them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, NullBufferBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int8Array, Int32Array, ListArray, StructArray, new_empty_array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use serde_json::Value;

use crate::types::{KIND_KEY, KIND_VECTOR, ML_ATTR_KEY, struct_fields, type_name, vector_fields, vector_item};
pub use crate::types::{is_vector_struct, vector_type};
use crate::{Error, Result};

const SPARSE: i8 = 0;
const DENSE: i8 = 1;

/// A field of vectors as structs. `attributes` is the value of `ml_attr`, at least `{"num_attrs": n}` if the size is known.
pub fn vector_struct_field(name: &str, attributes: Option<&Value>) -> Field {
    let mut metadata = HashMap::from([(KIND_KEY.to_owned(), KIND_VECTOR.to_owned())]);
    if let Some(attributes) = attributes {
        metadata.insert(ML_ATTR_KEY.to_owned(), attributes.to_string());
    }
    Field::new(name, vector_type(), true).with_metadata(metadata)
}

/// One vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum VectorRow<'a> {
    /// Every value.
    Dense(&'a [f64]),
    /// The nonzero values, by ascending index.
    Sparse {
        /// Number of slots.
        size: usize,
        /// Slots with a value.
        indices: &'a [i32],
        /// Their values.
        values: &'a [f64],
    },
}

impl VectorRow<'_> {
    /// Number of slots.
    pub fn size(&self) -> usize {
        match self {
            Self::Dense(values) => values.len(),
            Self::Sparse { size, .. } => *size,
        }
    }
}

/// Reads a column of vectors: the struct, or a list of numbers.
#[derive(Debug, Clone)]
pub struct Vectors {
    nulls: Option<NullBuffer>,
    len: usize,
    form: Form,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one per column, never in a list")]
enum Form {
    Struct(Parts),
    List { offsets: Vec<usize>, values: Float64Array, gaps: Option<NullBuffer> },
}

impl Vectors {
    /// A view of a struct column, or of a list column whose numbers are converted to doubles. A null inside a list is read as
    /// NaN and reported by [`Self::gap`].
    pub fn from_array(column: &str, array: &ArrayRef) -> Result<Self> {
        let form = if is_vector_struct(array.data_type()) {
            let array = cast(column, array, &DataType::Struct(struct_fields(true)))?;
            let parts = Parts::of(array.as_struct());
            if !parts.are_plain() {
                for row in (0..array.len()).filter(|row| !array.is_null(*row)) {
                    parts.check(row).map_err(|cause| Error::decode(cause).at_column(column).at_row(row))?;
                }
            }
            Form::Struct(parts)
        } else {
            let (offsets, items) = list_of(column, array)?;
            if !is_number(items.data_type()) {
                let kind = type_name(array.data_type());
                let message = format!("has type {kind}; expected a vector or lists of numbers");
                return Err(Error::schema(column, message));
            }
            let values = cast(column, &items, &DataType::Float64)?;
            let gaps = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
            Form::List { offsets, values: without_nulls(values.as_primitive::<Float64Type>()), gaps }
        };
        Ok(Self { nulls: array.logical_nulls(), len: array.len(), form })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first slot that is null inside the list of a row; None if there is none.
    pub fn gap(&self, row: usize) -> Option<usize> {
        let Form::List { offsets, gaps: Some(gaps), .. } = &self.form else { return None };
        if self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            return None;
        }
        (offsets[row]..offsets[row + 1]).position(|place| gaps.is_null(place))
    }

    /// The vector of a row; None if it is null.
    pub fn row(&self, row: usize) -> Option<VectorRow<'_>> {
        if self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            return None;
        }
        Some(match &self.form {
            Form::List { offsets, values, .. } => VectorRow::Dense(&values.values()[offsets[row]..offsets[row + 1]]),
            Form::Struct(parts) => parts.row(row),
        })
    }
}

/// The members of the struct, as arrays.
#[derive(Debug, Clone)]
struct Parts {
    kind: Int8Array,
    size: Int32Array,
    indices: ListArray,
    values: ListArray,
}

impl Parts {
    fn of(array: &StructArray) -> Self {
        Self {
            kind: array.column(0).as_primitive::<Int8Type>().clone(),
            size: array.column(1).as_primitive::<Int32Type>().clone(),
            indices: array.column(2).as_list::<i32>().clone(),
            values: array.column(3).as_list::<i32>().clone(),
        }
    }

    /// Whether all rows are valid vectors, and none is null. This is the common case, and cheaper to find out than by `check`.
    fn are_plain(&self) -> bool {
        let (indices, values) = (self.indices.values(), self.values.values());
        if [self.kind.null_count(), self.values.null_count(), indices.null_count(), values.null_count()] != [0; 4] {
            return false;
        }
        let kinds = self.kind.values();
        if kinds.iter().all(|kind| *kind == DENSE) {
            return true;
        }
        if self.size.null_count() + self.indices.null_count() > 0 {
            return false;
        }
        let indices = indices.as_primitive::<Int32Type>().values();
        let (index_ends, value_ends) = (self.indices.value_offsets(), self.values.value_offsets());
        kinds.iter().zip(self.size.values()).enumerate().all(|(row, (kind, size))| {
            let (start, end) = (index_ends[row], index_ends[row + 1]);
            let mut last = -1;
            let mut ascends = true;
            for index in &indices[start as usize..end as usize] {
                ascends &= *index > last;
                last = *index;
            }
            *kind == DENSE
                || (*kind == SPARSE
                    && ascends
                    && last < *size
                    && *size >= 0
                    && end - start == value_ends[row + 1] - value_ends[row])
        })
    }

    /// Returns an error if the row is not a valid vector. Readers of vectors rely on ascending indices below the size.
    fn check(&self, row: usize) -> Result<(), String> {
        let place = |list: &ListArray, name: &str| {
            let place = range(list, row);
            let holes = list.values().nulls().is_some_and(|n| n.slice(place.start, place.len()).null_count() > 0);
            match (list.is_null(row), holes) {
                (true, _) => Err(format!("is not a vector: it has no `{name}`")),
                (false, true) => Err(format!("is not a vector: it has a null in its `{name}`")),
                _ => Ok(place),
            }
        };
        let values = place(&self.values, "values")?;
        if self.kind.is_null(row) || ![SPARSE, DENSE].contains(&self.kind.value(row)) {
            return Err("is not a vector: its `type` is neither 0 (sparse) nor 1 (dense)".to_owned());
        }
        if self.kind.value(row) == DENSE {
            return Ok(());
        }
        let indices = place(&self.indices, "indices")?;
        if self.size.is_null(row) || self.size.value(row) < 0 {
            return Err("is not a sparse vector: its `size` is null or negative".to_owned());
        }
        if indices.len() != values.len() {
            let (indices, values) = (indices.len(), values.len());
            return Err(format!("is not a sparse vector: it has {indices} indices for {values} values"));
        }
        let (size, mut lower_bound) = (self.size.value(row), 0);
        for index in &self.indices.values().as_primitive::<Int32Type>().values()[indices] {
            if *index >= size || *index < 0 {
                return Err(format!("is not a sparse vector: its index {index} is not between 0 and the size {size}"));
            }
            if *index < lower_bound {
                return Err(format!(
                    "is not a sparse vector: its indices are not ascending: {}, then {index}",
                    lower_bound - 1
                ));
            }
            lower_bound = index + 1;
        }
        Ok(())
    }

    fn row(&self, row: usize) -> VectorRow<'_> {
        let values = &self.values.values().as_primitive::<Float64Type>().values()[range(&self.values, row)];
        if self.kind.value(row) == DENSE {
            return VectorRow::Dense(values);
        }
        VectorRow::Sparse {
            size: usize::try_from(self.size.value(row)).unwrap_or(0),
            indices: &self.indices.values().as_primitive::<Int32Type>().values()[range(&self.indices, row)],
            values,
        }
    }
}

/// The position of a row's items among those of all rows.
fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

fn cast(column: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    arrow_cast::cast(array, to)
        .map_err(|e| Error::schema(column, format!("has type {}: {e}", type_name(array.data_type()))))
}

/// Whether a vector can be read from lists with items of this type. Lists that are all empty may have no item type.
pub fn is_number(item: &DataType) -> bool {
    item.is_numeric() || matches!(item, DataType::Boolean | DataType::Null)
}

fn list_of(column: &str, array: &ArrayRef) -> Result<(Vec<usize>, ArrayRef)> {
    Ok(match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            (list.value_offsets().iter().map(|o| *o as usize).collect(), list.values().clone())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            (list.value_offsets().iter().map(|o| *o as usize).collect(), list.values().clone())
        }
        DataType::FixedSizeList(_, size) => {
            let size = *size as usize;
            ((0..=array.len()).map(|i| i * size).collect(), array.as_fixed_size_list().values().clone())
        }
        DataType::Null => (vec![0; array.len() + 1], new_empty_array(&DataType::Float64)),
        other => {
            return Err(Error::schema(
                column,
                format!("has type {}; expected a vector or a list of numbers", type_name(other)),
            ));
        }
    })
}

fn without_nulls(values: &Float64Array) -> Float64Array {
    if values.null_count() == 0 {
        return values.clone();
    }
    values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>().into()
}

/// Writes a column of vectors.
#[derive(Debug)]
pub struct VectorBuilder {
    kinds: Vec<i8>,
    sizes: Int32Builder,
    index_ends: Vec<i32>,
    index_nulls: NullBufferBuilder,
    indices: Vec<i32>,
    value_ends: Vec<i32>,
    values: Vec<f64>,
    nulls: NullBufferBuilder,
}

impl VectorBuilder {
    /// An empty column with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        let ends = || {
            let mut ends = Vec::with_capacity(rows + 1);
            ends.push(0);
            ends
        };
        Self {
            kinds: Vec::with_capacity(rows),
            sizes: Int32Builder::with_capacity(rows),
            index_ends: ends(),
            index_nulls: NullBufferBuilder::new(rows),
            indices: Vec::new(),
            value_ends: ends(),
            values: Vec::new(),
            nulls: NullBufferBuilder::new(rows),
        }
    }

    /// A null row.
    pub fn push_null(&mut self) {
        self.kinds.push(SPARSE);
        self.sizes.append_null();
        self.index_nulls.append_null();
        self.nulls.append_null();
        self.end_row();
    }

    /// A dense vector.
    pub fn push_dense(&mut self, values: &[f64]) {
        self.kinds.push(DENSE);
        self.sizes.append_null();
        self.index_nulls.append_null();
        self.nulls.append_non_null();
        self.values.extend_from_slice(values);
        self.end_row();
    }

    /// A sparse vector; indices ascend.
    pub fn push_sparse(&mut self, size: usize, indices: &[i32], values: &[f64]) {
        self.kinds.push(SPARSE);
        self.sizes.append_value(size as i32);
        self.index_nulls.append_non_null();
        self.nulls.append_non_null();
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
        self.end_row();
    }

    /// A vector given by its nonzero values, in the form that Spark's `compressed` chooses: sparse if `1.5 * (nonzeros + 1) <
    /// size`.
    pub fn push_compressed(&mut self, size: usize, indices: &[i32], values: &[f64]) {
        if 1.5 * (indices.len() as f64 + 1.0) < size as f64 {
            self.push_sparse(size, indices, values);
            return;
        }
        let mut dense = vec![0.0; size];
        for (index, value) in indices.iter().zip(values) {
            dense[*index as usize] = *value;
        }
        self.push_dense(&dense);
    }

    fn end_row(&mut self) {
        self.index_ends.push(self.indices.len() as i32);
        self.value_ends.push(self.values.len() as i32);
    }

    /// The column. Returns an error if it holds more values than Arrow's 32-bit offsets can address.
    pub fn finish(mut self) -> Result<StructArray> {
        if i32::try_from(self.values.len()).is_err() {
            return Err(Error::batch_too_large("the vectors", "values"));
        }
        let nulls = self.nulls.finish();
        let list = |of: DataType, ends: Vec<i32>, values: ArrayRef, nulls: Option<NullBuffer>| {
            ListArray::try_new(vector_item(of, false), OffsetBuffer::new(ScalarBuffer::from(ends)), values, nulls)
        };
        let indices = list(
            DataType::Int32,
            self.index_ends,
            Arc::new(Int32Array::from(self.indices)),
            self.index_nulls.finish(),
        )?;
        let values =
            list(DataType::Float64, self.value_ends, Arc::new(Float64Array::from(self.values)), nulls.clone())?;
        let members: Vec<ArrayRef> = vec![
            Arc::new(Int8Array::from(self.kinds)),
            Arc::new(self.sizes.finish()),
            Arc::new(indices),
            Arc::new(values),
        ];
        Ok(StructArray::try_new(vector_fields(), members, nulls)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_pushed() -> Result<()> {
        let mut builder = VectorBuilder::with_capacity(4);
        builder.push_dense(&[1.0, 2.0]);
        builder.push_null();
        builder.push_sparse(9, &[1, 7], &[0.5, -1.0]);
        builder.push_compressed(2, &[1], &[3.0]);
        let array: ArrayRef = Arc::new(builder.finish()?);
        let vectors = Vectors::from_array("v", &array)?;
        assert_eq!(vectors.row(0), Some(VectorRow::Dense(&[1.0, 2.0])));
        assert_eq!(vectors.row(1), None);
        assert_eq!(vectors.row(2), Some(VectorRow::Sparse { size: 9, indices: &[1, 7], values: &[0.5, -1.0] }));
        assert_eq!(vectors.row(3), Some(VectorRow::Dense(&[0.0, 3.0])));
        Ok(())
    }

    #[test]
    fn lists_and_slices_are_vectors_too() -> Result<()> {
        let list = ListArray::from_iter_primitive::<arrow_array::types::Float32Type, _, _>([
            Some(vec![Some(1.0)]),
            None,
            Some(vec![Some(2.0), None]),
        ]);
        let array: ArrayRef = Arc::new(list.slice(1, 2));
        let vectors = Vectors::from_array("v", &array)?;
        assert_eq!(vectors.row(0), None);
        let Some(VectorRow::Dense(values)) = vectors.row(1) else { unreachable!("dense") };
        assert_eq!(format!("{values:?}"), "[2.0, NaN]");
        assert_eq!((vectors.gap(0), vectors.gap(1)), (None, Some(1)));
        Ok(())
    }

    #[test]
    fn lists_of_text_are_no_vectors_even_where_the_texts_look_like_numbers() {
        let mut texts = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        texts.append_value([Some("1"), Some("2")]);
        let array: ArrayRef = Arc::new(texts.finish());
        let error = Vectors::from_array("v", &array).err().map(|e| e.to_string()).unwrap_or_default();
        assert_eq!(error, "column `v`: has type array<string>; expected a vector or lists of numbers");
    }
}
