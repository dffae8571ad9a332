//! `FastVectorAssembler`.

use arrow_schema::{Field, Schema};
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{
    Block, Context, HandleInvalid, HasSample, Output, ParamGroup, ParamMap, ParamSpec, Rejects, Result, RowPolicy,
    Sample, Transform, VectorType,
};
use mmlrs_macros::Stage;
use serde_json::json;

use crate::attributes::assembled;
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

impl Transform for FastVectorAssembler {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let fields: Vec<&Field> =
            self.input_cols.iter().map(|name| Ok(input.field_with_name(name)?)).collect::<Result<_>>()?;
        Ok(vec![self.output_type.struct_field(&self.output_col, None, assembled(&fields).as_ref())])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let parts: Vec<Part> = self
            .input_cols
            .iter()
            .map(|name| Part::new(name, &block.column(name)?.to_arrow(cx)?))
            .collect::<Result<_>>()?;
        let mut rejects = Rejects::new(self.policy.0.handle_invalid);
        let keep = self.policy.0.handle_invalid == HandleInvalid::Keep;
        let mut out = VectorBuilder::with_capacity(block.rows());
        let mut row_values = SparseRow::default();
        for row in 0..block.rows() {
            row_values.clear();
            let mut missing = None;
            for part in &parts {
                if let Some(cause) = part.append(row, &mut row_values)? {
                    missing.get_or_insert((part.column(), cause));
                }
            }
            if let Some((column, cause)) = missing {
                rejects.reject_cell(row, column, &cause)?;
                if !keep || row_values.is_lost() {
                    out.push_null();
                    continue;
                }
            }
            row_values.check().map_err(|e| e.at_row(row))?;
            out.push_compressed(row_values.size, &row_values.indices, &row_values.values);
        }
        Ok(Output { columns: vec![self.output_type.struct_column(out.finish()?, None)?], invalid: rejects.into_rows() })
    }
}

impl HasSample for FastVectorAssembler {
    fn sample() -> Sample {
        let params = json!({"inputCols": ["number", "flag", "counts"], "outputCol": "features"});
        Sample::new(params, crate::sample::mixed_batch())
    }
}
