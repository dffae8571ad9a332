//! `FeaturizeModel`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{
    Block, Context, Error, FileSource, HandleInvalid, HasSample, Once, Output, Rejects, Result, Sample, Transform,
};
use mmlrs_macros::Stage;
use serde_json::json;

use super::FeaturizeParams;
use super::encoder::{Attributes, Encoder, Encoding};
use super::reader::{Prepared, Reader};
use crate::row::SparseRow;

/// Turns columns into one vector of features, as fitted by `Featurize`.
///
/// Runs in one pass over the columns of a batch. The result is dense or sparse, whichever is smaller.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "featurize",
    kind = model,
    maps_nulls = "missing values become NaN",
    embeds_column_names = "its encoders contain the column names of the fit",
    example = r#"import pyarrow as pa
from mmlrs.featurize import Featurize

table = pa.table({"age": [31.0, None, 45.0], "member": [True, False, True]})
model = Featurize(inputCols=["age", "member"], outputCol="features").fit(table)
assert model.transform(table)["features"][1].as_py()["values"] == [38.0, 0.0]
"#
)]
pub struct FeaturizeModel {
    #[param(group)]
    shared: FeaturizeParams,
    /// The encoding of each column: a JSON list with the levels, means and weights of the fit.
    #[param(required)]
    encoders: FileSource,
    #[param(cache)]
    plan: Once<Plan>,
}

/// The encoders of a model, ready to run.
#[derive(Debug)]
struct Plan {
    encoders: Vec<Encoder>,
    /// The encoders of the columns that are read.
    prepared: Vec<Prepared>,
}

impl FeaturizeModel {
    fn plan(&self) -> Result<Arc<Plan>> {
        self.plan.get_or_make(|| self.make_plan())
    }

    fn make_plan(&self) -> Result<Plan> {
        let encoders: Vec<Encoder> = serde_json::from_slice(&self.encoders.read()?)
            .map_err(|e| Error::param("encoders", format!("is damaged: {e}")))?;
        if encoders.iter().map(|e| &e.column).ne(&self.shared.input_cols) {
            return Err(Error::param("inputCols", "must be the columns of the fit, in the same order"));
        }
        let read = encoders.iter().filter(|encoder| encoder.is_read());
        let prepared = read.cloned().map(Prepared::new).collect::<Result<_>>()?;
        Ok(Plan { encoders, prepared })
    }
}

impl Transform for FeaturizeModel {
    /// The columns that are not left out. At least one column is read, since it determines the number of rows.
    fn resolved_inputs(&self) -> Result<Option<Vec<String>>> {
        let mut columns: Vec<String> = self.plan()?.prepared.iter().map(|p| p.column().to_owned()).collect();
        if columns.is_empty() {
            columns.extend(self.shared.input_cols.first().cloned());
        }
        Ok(Some(columns))
    }

    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        let plan = self.plan()?;
        for encoder in plan.encoders.iter().filter(|encoder| encoder.is_read()) {
            encoder.check_type(input.field_with_name(&encoder.column)?.data_type())?;
        }
        let attributes = Attributes::of(&plan.encoders, self.shared.strangers());
        Ok(vec![self.shared.output_type.struct_field(&self.shared.output_col, None, Some(&attributes))])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let plan = self.plan()?;
        let strangers = self.shared.strangers();
        let mut readers: Vec<Reader> = plan
            .prepared
            .iter()
            .map(|prepared| Reader::new(prepared, &block.column(prepared.column())?.to_arrow(cx)?, strangers))
            .collect::<Result<_>>()?;
        let policy = self.shared.policy.0.handle_invalid;
        let mut rejects = Rejects::new(policy);
        let mut out = VectorBuilder::with_capacity(block.rows());
        let mut slots = SparseRow::default();
        for row in 0..block.rows() {
            slots.clear();
            let mut flaw = None;
            for reader in &mut readers {
                if let Some(cause) = reader.append(row, &mut slots) {
                    flaw.get_or_insert((reader.column(), cause));
                }
            }
            if let Some((column, cause)) = flaw {
                rejects.reject_cell(row, column, &cause)?;
                if policy != HandleInvalid::Keep || slots.is_lost() {
                    out.push_null();
                    continue;
                }
            }
            slots.check().map_err(|e| e.at_row(row))?;
            out.push_compressed(slots.size, &slots.indices, &slots.values);
        }
        Ok(Output {
            columns: vec![self.shared.output_type.struct_column(out.finish()?, None)?],
            invalid: rejects.into_rows(),
        })
    }
}

impl HasSample for FeaturizeModel {
    fn sample() -> Sample {
        let encoder = |column: &str, encoding| Encoder { column: column.to_owned(), encoding };
        let levels = ["a", "b"].map(str::to_owned).to_vec();
        let encoders = [
            encoder("number", Encoding::Number { fill: None }),
            encoder("word", Encoding::Levels { levels, one_hot: true, fill: false }),
            encoder("counts", Encoding::Vector { size: 6 }),
        ];
        let text = serde_json::to_vec(&encoders).unwrap_or_default();
        let params = json!({
            "inputCols": ["number", "word", "counts"],
            "outputCol": "features",
            "encoders": FileSource::of(&text).to_value(),
        });
        Sample::new(params, crate::sample::raw_batch())
    }
}
