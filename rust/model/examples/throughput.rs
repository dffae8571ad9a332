//! Rows per second of `ONNXModel` on a table: `throughput MODEL.onnx [ROWS] [BATCH] [THREADS] [REPEATS]`.
//!
//! Prints one line of JSON. `ORT_DYLIB_PATH` is the path of the ONNX Runtime library.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array};
use arrow_schema::{DataType, Field};
use mmlrs_core::{Block, Column, Context, Error, ParamMap, Result, Sample, Stage, ThreadBudget, Transform};
use mmlrs_model::model_info;
use mmlrs_model::stages::ONNXModel;
use serde_json::json;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or_else(|| Error::runtime("usage: throughput MODEL.onnx [ROWS] [BATCH] [THREADS]"))?;
    let mut number = |default: usize| args.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (rows, batch, threads, repeats) = (number(32), number(16), number(1), number(5));
    let info = model_info(&mmlrs_core::ModelSource::Path(path.clone().into()))?;
    let size = info.inputs.first().and_then(mmlrs_model::ValueInfo::row_size).unwrap_or(1);
    let values: Vec<f32> = (0..rows * size).map(|i| (i % 251) as f32 / 251.0).collect();
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let array: ArrayRef =
        Arc::new(FixedSizeListArray::try_new(item, size as i32, Arc::new(Float32Array::from(values)), None)?);
    let block = Block::new(rows, vec![("x".to_owned(), Column::arrow(array.clone()))])?;
    let params = json!({"model": {"path": path}, "inputCol": "x", "outputCol": "y", "miniBatchSize": batch});
    let empty = arrow_array::RecordBatch::new_empty(Arc::new(arrow_schema::Schema::empty()));
    let stage = ONNXModel::from_params(&ParamMap::new("m", Sample::new(params, empty).params))?;
    let cx = Context { threads: ThreadBudget::new(threads) };
    let start = Instant::now();
    stage.transform(&block, &cx)?;
    let first = start.elapsed().as_secs_f64();
    let mut seconds: Vec<f64> = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        stage.transform(&block, &cx)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    let line = json!({"rows_per_s": rows as f64 / median, "best_s": seconds[0], "median_s": median, "first_s": first});
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("stdout", e))
}
