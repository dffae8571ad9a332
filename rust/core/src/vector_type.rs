//! The param `outputType` of stages that make vectors, and the columns of both types.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, FixedSizeListArray, Float32Array, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use serde_json::Value;

use crate::vector::{VectorRow, Vectors, vector_struct_field};
use crate::{
    Column, Constraint, Default as ParamDefault, Error, ParamGroup, ParamMap, ParamSpec, ParamType, Result, Role, types,
};

/// Numbers in one batch of arrays that are made of vectors, which may be sparse: a gibibyte.
const MAX_DENSE: usize = 268_435_456;

/// The type of a column of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VectorType {
    /// Spark ML's vector, which estimators read.
    #[default]
    Vector,
    /// An array of floats, which functions on arrays and vector databases read.
    Array,
}

impl ParamGroup for VectorType {
    fn specs() -> Vec<ParamSpec> {
        vec![ParamSpec {
            name: "outputType",
            doc: "Type of the new column: \"vector\", which Spark ML's estimators read, or \"array\", an array of 32-bit \
                  floats with all values of a row, which Spark's functions on arrays and vector databases read.",
            ty: ParamType::Str,
            default: ParamDefault::Value(Value::from("vector")),
            optional: false,
            constraint: Constraint::OneOf(&["vector", "array"]),
            role: Role::Plain,
            accepts: &[],
            group: Some("VectorType"),
        }]
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        let [spec] = &Self::specs()[..] else { return Ok(Self::default()) };
        let text: String = crate::ParamField::read(params, spec)?;
        Ok(if text == "array" { Self::Array } else { Self::Vector })
    }
}

impl VectorType {
    /// The field of a column of dense float vectors of `size`, or of sizes that differ or are unknown.
    pub fn field(self, name: &str, size: impl Into<Option<usize>>) -> Field {
        let list = || Field::new(name, DataType::List(types::float_item()), true);
        let kind = || HashMap::from([(types::KIND_KEY.to_owned(), types::KIND_VECTOR.to_owned())]);
        match (self, size.into()) {
            (Self::Vector, Some(size)) => types::vector_field(name, size),
            (Self::Vector, None) => list().with_metadata(kind()),
            (Self::Array, Some(size)) => types::array_field(name, size),
            (Self::Array, None) => list(),
        }
    }

    /// The field of a column of vectors with the attributes of Spark ML, which may be sparse. `size` is their size, if it is
    /// the same for all and known.
    pub fn struct_field(self, name: &str, size: Option<usize>, attributes: Option<&Value>) -> Field {
        match self {
            Self::Vector => vector_struct_field(name, attributes),
            Self::Array => self.field(name, size),
        }
    }

    /// The column that [`Self::struct_field`] declares, of vectors that may be sparse.
    ///
    /// # Errors
    /// The arrays have more than `MAX_DENSE` values, there is no memory for them, or a value does not fit into 32 bits.
    pub fn struct_column(self, vectors: StructArray, size: Option<usize>) -> Result<Column> {
        if self == Self::Vector {
            return Ok(Column::arrow(Arc::new(vectors)));
        }
        let nulls = vectors.nulls().cloned();
        let array: ArrayRef = Arc::new(vectors);
        let rows = Vectors::from_array("", &array)?;
        let length = |row| size.unwrap_or_else(|| rows.row(row).map_or(0, |vector| vector.size()));
        let mut ends = Vec::with_capacity(rows.len() + 1);
        ends.push(0usize);
        for row in 0..rows.len() {
            ends.push(ends[row] + length(row));
        }
        let total = ends[rows.len()];
        let mut values: Vec<f32> = Vec::new();
        if total > MAX_DENSE || values.try_reserve_exact(total).is_err() {
            return Err(Error::batch_exceeds("the arrays", &format!("{MAX_DENSE} numbers")));
        }
        values.resize(total, 0.0);
        for row in 0..rows.len() {
            let place = &mut values[ends[row]..ends[row + 1]];
            let vector = rows.row(row);
            if let Some(vector) = &vector
                && vector.size() != place.len()
            {
                let message = format!("a vector of {} slots, expected {}", vector.size(), place.len());
                return Err(Error::runtime(message).at_row(row));
            }
            match vector {
                None => {}
                Some(VectorRow::Dense(all)) => {
                    for (to, from) in place.iter_mut().zip(all) {
                        *to = narrowed(*from).map_err(|e| e.at_row(row))?;
                    }
                }
                Some(VectorRow::Sparse { indices, values, .. }) => {
                    for (index, value) in indices.iter().zip(values) {
                        place[*index as usize] = narrowed(*value).map_err(|e| e.at_row(row))?;
                    }
                }
            }
        }
        let values = Arc::new(Float32Array::from(values));
        let array: ArrayRef = if let Some(size) = size {
            Arc::new(FixedSizeListArray::try_new_with_length(
                types::float_item(),
                size as i32,
                values,
                nulls,
                rows.len(),
            )?)
        } else {
            let lengths = ends.windows(2).map(|pair| pair[1] - pair[0]);
            Arc::new(ListArray::try_new(types::float_item(), OffsetBuffer::from_lengths(lengths), values, nulls)?)
        };
        Ok(Column::arrow(array))
    }
}

/// The nearest 32-bit float. A finite number does not become infinite.
fn narrowed(value: f64) -> Result<f32> {
    let narrow = value as f32;
    if narrow.is_infinite() && value.is_finite() {
        let message = format!("the number {value:e} does not fit into a 32-bit float");
        return Err(Error::param("outputType", format!("\"array\": {message}; set \"vector\"")));
    }
    Ok(narrow)
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float32Type;

    use super::*;
    use crate::vector::VectorBuilder;
    use crate::{Context, ThreadBudget};

    fn vectors() -> Result<StructArray> {
        let mut rows = VectorBuilder::with_capacity(3);
        rows.push_sparse(3, &[1], &[2.5]);
        rows.push_null();
        rows.push_dense(&[1.0, 0.1, -3.0]);
        rows.finish()
    }

    #[test]
    fn sparse_and_dense_vectors_become_arrays_with_all_values() -> Result<()> {
        for size in [Some(3), None] {
            let column = VectorType::Array.struct_column(vectors()?, size)?;
            let array = column.to_arrow(&Context { threads: ThreadBudget::new(1) })?;
            let field = VectorType::Array.struct_field("x", size, None);
            assert_eq!(array.data_type(), field.data_type());
            assert!(field.metadata().is_empty());
            assert!(array.is_valid(0) && array.is_null(1));
            let row = |row| match size {
                Some(_) => array.as_fixed_size_list().value(row),
                None => array.as_list::<i32>().value(row),
            };
            assert_eq!(row(0).as_primitive::<Float32Type>().values().as_ref(), [0.0, 2.5, 0.0]);
            assert_eq!(row(2).as_primitive::<Float32Type>().values().as_ref(), [1.0, 0.1, -3.0]);
        }
        Ok(())
    }

    #[test]
    fn a_number_beyond_32_bits_is_an_error_and_an_infinity_stays() {
        let column = |value: f64| {
            let mut rows = VectorBuilder::with_capacity(1);
            rows.push_dense(&[value]);
            VectorType::Array.struct_column(rows.finish()?, None)
        };
        let error = column(1e300).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("1e300") && error.contains("outputType"), "{error}");
        assert!(column(f64::INFINITY).is_ok() && column(f64::NAN).is_ok() && column(-3e38).is_ok());
    }

    #[test]
    fn vectors_stay_as_they_are() -> Result<()> {
        let column = VectorType::Vector.struct_column(vectors()?, Some(3))?;
        let array = column.to_arrow(&Context { threads: ThreadBudget::new(1) })?;
        assert_eq!(array.data_type(), VectorType::Vector.struct_field("x", Some(3), None).data_type());
        Ok(())
    }
}
