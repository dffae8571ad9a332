//! `TextFeaturizerModel`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use mmlrs_core::vector::VectorBuilder;
use mmlrs_core::{
    Block, Context, Error, FileSource, HasSample, Output, Result, Sample, Transform, in_pieces, pieces_of,
};
use mmlrs_macros::Stage;
use serde_json::json;

use super::params::TextFeaturizerParams;
use crate::column::reject_nulls;
use crate::frequencies::{DocumentFrequencies, Idf};
use crate::hasher::TextHasher;
use crate::once::Once;

/// Turns strings into sparse vectors of term counts, with the weights that `TextFeaturizer` has learnt.
///
/// The vectors have `numFeatures` slots. A slot with weight 0 stays among the indices, as in Spark. Strings are hashed in
/// parallel, and the time grows linearly with their length.
#[derive(Debug, Clone, Stage)]
#[stage(
    module = "text",
    body = extended,
    kind = model,
    example = r#"import pyarrow as pa
from mmlrs.text import TextFeaturizerModel

table = pa.table({"text": ["to be or not to be"]})
table = TextFeaturizerModel(inputCol="text", outputCol="counts").transform(table)
assert sorted(table["counts"][0].as_py()["values"]) == [1.0, 1.0, 2.0, 2.0]
"#
)]
pub struct TextFeaturizerModel {
    #[param(group)]
    shared: TextFeaturizerParams,
    /// The number of strings of the fit in which each slot occurs: an Arrow IPC file with the columns `slot` (int32) and
    /// `documents` (int64) for the slots that occur. The schema's metadata has the number of strings as `documents` and the
    /// number of slots as `numFeatures`. If not set, the counts are not weighted.
    #[param]
    document_frequencies: Option<FileSource>,
    #[param(group)]
    kernel: Once<Kernel>,
}

#[derive(Debug)]
struct Kernel {
    hasher: TextHasher,
    idf: Option<Idf>,
}

impl TextFeaturizerModel {
    fn kernel(&self) -> Result<Arc<Kernel>> {
        self.kernel.get(|| {
            let hasher = self.shared.hasher()?;
            let Some(file) = &self.document_frequencies else { return Ok(Kernel { hasher, idf: None }) };
            let frequencies = DocumentFrequencies::from_file(&file.read()?)?;
            let learnt = frequencies.counts().len();
            if learnt != hasher.num_features() {
                let message = format!("must be {learnt}, the number of slots of the document frequencies");
                return Err(Error::param("numFeatures", message));
            }
            Ok(Kernel { hasher, idf: Some(Idf::new(&frequencies, self.shared.min_doc_freq as u64)) })
        })
    }
}

impl Transform for TextFeaturizerModel {
    fn output_fields(&self, input: &Schema) -> Result<Vec<Field>> {
        self.shared.check_input(input)?;
        let size = self.kernel()?.hasher.num_features();
        let form = self.shared.output_type;
        Ok(vec![form.struct_field(&self.shared.output_col, Some(size), Some(&json!({"num_attrs": size})))])
    }

    fn transform(&self, block: &Block, cx: &Context) -> Result<Output> {
        let kernel = self.kernel()?;
        let documents = self.shared.input(block, *cx)?;
        let policy = self.shared.policy.handle_invalid;
        let rejects = reject_nulls(&self.shared.input_col, block.rows(), policy, |row| documents.is_null(row))?;
        let pieces = in_pieces(cx.threads, block.rows(), pieces_of(cx.threads), |rows| {
            let mut piece = Piece::default();
            documents.hash(rows, &mut kernel.hasher.clone(), |row| {
                if let Some(row) = row {
                    if let Some(idf) = &kernel.idf {
                        idf.scale(row);
                    }
                    piece.indices.extend_from_slice(&row.indices);
                    piece.values.extend_from_slice(&row.values);
                }
                piece.ends.push(piece.indices.len());
            });
            Ok(piece)
        })?;
        let size = kernel.hasher.num_features();
        let mut out = VectorBuilder::with_capacity(block.rows());
        let mut row = 0;
        for piece in pieces {
            let mut start = 0;
            for end in piece.ends {
                if documents.is_null(row) {
                    out.push_null();
                } else {
                    out.push_sparse(size, &piece.indices[start..end], &piece.values[start..end]);
                }
                (start, row) = (end, row + 1);
            }
        }
        Ok(Output {
            columns: vec![self.shared.output_type.struct_column(out.finish()?, Some(size))?],
            invalid: rejects.into_rows(),
        })
    }
}

/// The vectors of some rows.
#[derive(Debug, Default)]
struct Piece {
    indices: Vec<i32>,
    values: Vec<f64>,
    ends: Vec<usize>,
}

impl HasSample for TextFeaturizerModel {
    fn sample() -> Sample {
        let mut params = json!({"inputCol": "text", "outputCol": "features", "numFeatures": 256, "useNGram": true});
        let learnt = DocumentFrequencies::new(256).and_then(|mut frequencies| {
            let mut row = crate::SparseRow { indices: (0..128).collect(), values: vec![1.0; 128] };
            frequencies.add(&row);
            row.indices.truncate(64);
            frequencies.add(&row);
            frequencies.to_file()
        });
        if let (Some(params), Ok(bytes)) = (params.as_object_mut(), learnt) {
            params.insert("documentFrequencies".to_owned(), FileSource::of(&bytes).to_value());
        }
        Sample::new(params, crate::sample::text_batch())
    }
}
