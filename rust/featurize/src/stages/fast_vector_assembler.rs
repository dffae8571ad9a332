//! `FastVectorAssembler`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_schema::{Field, Schema};
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{
    Block, Context, Error, HandleInvalid, HasSample, Output, ParamGroup, ParamMap, ParamSpec, Result, RowPolicy,
    Sample, Transform, VectorType, columns_in_pieces,
};
use mmlrs_macros::Stage;
use serde_json::{Map, Value, json};

use crate::attributes::{assembled, declared_size};
use crate::numbers::Part;
use crate::row::SparseRow;

/// Concatenates numbers, booleans, arrays and vectors into one vector.
///
/// The slots are in the order of `inputCols`. Nominal attributes of the columns are kept, with their slots in the new vector.
/// All other attributes are dropped, which makes wide vectors cheap. The result is dense or sparse, whichever is smaller. The
/// values are those of Spark's `VectorAssembler`.
///
/// On Spark it runs where that is cheapest: among native stages as a part of their pass, and between plain columns as an
/// expression of the JVM, whose result is dense.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    body = extended,
    kind = transformer,
    maps_nulls = "missing values become NaN, as in Spark's VectorAssembler",
    example = r#"import pyarrow as pa
from mmlrs.featurize import FastVectorAssembler

table = pa.table({"age": [31.0, 45.0], "member": [True, False], "scores": [[1.0, 2.0], [0.5, 0.0]]})
table = FastVectorAssembler(inputCols=["age", "member", "scores"], outputCol="features").transform(table)
assert table["features"][0].as_py()["values"] == [31.0, 1.0, 1.0, 2.0]
"#
)]
pub struct FastVectorAssembler {
    /// Names of the columns, in the order of the slots.
    #[param(required, non_empty, role = input, accepts(numeric, sparse_vector))]
    input_cols: Vec<String>,
    /// Name of the vector column to add.
    #[param(default = uid("_output"), role = output, non_empty)]
    output_col: String,
    /// The number of slots of each column, in the order of `inputCols`, which a null vector gets if `handleInvalid` is "keep"; 0
    /// if unknown. If not set, the sizes that the columns declare in their attributes. A vector of unknown size gets the size of
    /// the first vector of its batch.
    #[param(min(0))]
    vector_sizes: Option<Vec<i64>>,
    #[param(group)]
    output_type: VectorType,
    #[param(group)]
    policy: MissingPolicy,
}

/// The row policy of the assembler, which is that of Spark's: `keep` keeps the present values.
#[derive(Debug, Clone)]
struct MissingPolicy(RowPolicy);

impl ParamGroup for MissingPolicy {
    fn specs() -> Vec<ParamSpec> {
        let mut specs = RowPolicy::specs();
        specs[0].doc = "How to handle a row in which a value is null or NaN, or an array contains a null: \"error\" fails with \
                        an error that names stage, column and row; \"skip\" drops the row; \"keep\" fills the missing slots \
                        with NaN, as Spark's assembler does.";
        specs[1].doc = "Name of the string column to add with the missing values of a row; null for complete rows.";
        specs
    }

    fn from_params(params: &ParamMap) -> Result<Self> {
        RowPolicy::from_params(params).map(Self)
    }

    fn row_policy(&self) -> Option<RowPolicy> {
        Some(self.0.clone())
    }
}

impl FastVectorAssembler {
    /// The number of slots of a column, if it is known.
    fn size(&self, place: usize) -> Option<usize> {
        let size = self.vector_sizes.as_ref()?.get(place)?;
        usize::try_from(*size).ok().filter(|size| *size > 0)
    }
}

impl Transform for FastVectorAssembler {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        if let Some(sizes) = self.vector_sizes.as_ref().filter(|sizes| sizes.len() != self.input_cols.len()) {
            let message =
                format!("must have {} sizes, one for each of `inputCols`, got {}", self.input_cols.len(), sizes.len());
            return Err(Error::param("vectorSizes", message));
        }
        let fields: Vec<&Field> =
            self.input_cols.iter().map(|name| Ok(input.field_with_name(name)?)).collect::<Result<_>>()?;
        Ok(vec![self.output_type.struct_field(&self.output_col, None, assembled(&fields).as_ref())])
    }

    fn bound_params(&self, input: &Schema) -> Result<Map<String, Value>> {
        let mut params = Map::new();
        if self.vector_sizes.is_none() && self.policy.0.handle_invalid == HandleInvalid::Keep {
            let size = |name: &String| Ok(declared_size(input.field_with_name(name)?).unwrap_or(0));
            let sizes: Vec<usize> = self.input_cols.iter().map(size).collect::<Result<_>>()?;
            if sizes.iter().any(|size| *size > 0) {
                params.insert("vectorSizes".to_owned(), json!(sizes));
            }
        }
        Ok(params)
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let parts: Vec<Part> = self
            .input_cols
            .iter()
            .enumerate()
            .map(|(place, name)| Part::new(name, &block.column(name)?.to_arrow(cx)?, self.size(place)))
            .collect::<Result<_>>()?;
        let policy = self.policy.0.handle_invalid;
        let (vectors, invalid) = columns_in_pieces(cx.threads, block.rows(), policy, |rows, rejects| {
            let mut out = VectorBuilder::with_capacity(rows.len());
            let mut row_values = SparseRow::default();
            for row in rows {
                row_values.clear();
                let mut missing = None;
                for part in &parts {
                    if let Some(cause) = part.append(row, &mut row_values)? {
                        missing.get_or_insert((part.column(), cause));
                    }
                }
                if let Some((column, cause)) = missing {
                    rejects.reject_cell(row, column, &cause)?;
                    if policy != HandleInvalid::Keep || row_values.is_lost() {
                        out.push_null();
                        continue;
                    }
                }
                row_values.check().map_err(|e| e.at_row(row))?;
                out.push_compressed(row_values.size, &row_values.indices, &row_values.values);
            }
            Ok(vec![Arc::new(out.finish()?)])
        })?;
        let vectors = vectors[0].as_struct().clone();
        Ok(Output { columns: vec![self.output_type.struct_column(vectors, None)?], invalid })
    }
}

impl HasSample for FastVectorAssembler {
    fn sample() -> Sample {
        let params = json!({"inputCols": ["number", "flag", "counts"], "outputCol": "features"});
        Sample::new(params, crate::sample::mixed_batch())
    }
}
