//! Encoded images to tensors and back, for callers without a stage.

use std::ffi::CString;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Float32Array, RecordBatch};
use mmlrs_core::{Error, Result, ThreadBudget, types};
use mmlrs_image::{Factor, ImageColumn, ImageView, TensorPrep, normalization_doubt};
use pyo3::exceptions::PyUserWarning;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3_arrow::{PyArray, PyRecordBatch};
use rayon::prelude::*;

use crate::arrow::Imported;
use crate::errors::{detached, to_py, watched};

/// Decodes, resizes and normalizes images into one flat float32 array, n x 3 x height x width.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments of one Python function")]
pub fn decode_to_tensor(
    py: Python<'_>,
    images: Imported<PyArray>,
    height: usize,
    width: usize,
    means: Vec<f32>,
    stds: Vec<f32>,
    scale: f32,
    threads: usize,
    scaled_decode: bool,
    auto_convert_to_color: bool,
    interruptible: bool,
) -> PyResult<Bound<'_, PyAny>> {
    let (array, _) = images.0.into_inner();
    let wide = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    let doubt = normalization_doubt(
        Factor { value: &wide(&means), from: "means" },
        Factor { value: &wide(&stds), from: "stds" },
        Factor { value: f64::from(scale), from: "scale" },
    );
    if let Some(doubt) = doubt {
        let text = CString::new(format!("decode_to_tensor: {doubt}"))?;
        PyErr::warn(py, &py.get_type::<PyUserWarning>(), &text, 2)?;
    }
    let mut prep = TensorPrep::new(height, width);
    prep.mean = means;
    prep.std = stds;
    prep.scale = scale;
    prep.decode.scaled_decode = scaled_decode;
    prep.auto_convert_to_color = auto_convert_to_color;
    let budget = ThreadBudget::new(threads).interruptible(interruptible);
    let values =
        watched(py, interruptible, || tensor_of(&array, &prep, budget).map_err(|e| e.at_stage("decode_to_tensor")))?;
    to_pyarrow(py, Arc::new(Float32Array::from(values)))
}

fn tensor_of(array: &ArrayRef, prep: &TensorPrep, budget: ThreadBudget) -> Result<Vec<f32>> {
    prep.check()?;
    let column = ImageColumn::from_array("images", array, None)?;
    let count = prep.len().checked_mul(column.rows()).filter(|n| Vec::<f32>::new().try_reserve_exact(*n).is_ok());
    let count = count
        .ok_or_else(|| Error::limit(format!("no memory for {} tensors of {} floats", column.rows(), prep.len())))?;
    let mut out = vec![0.0_f32; count];
    let fill = |(row, chunk): (usize, &mut [f32])| {
        budget.check()?;
        column.tensor_row(row, prep, chunk)?.map(drop).map_err(|e| e.at_row(row))
    };
    match budget.pool()? {
        None => out.chunks_mut(prep.len()).enumerate().try_for_each(fill)?,
        Some(pool) => pool.install(|| out.par_chunks_mut(prep.len()).enumerate().try_for_each(fill))?,
    }
    Ok(out)
}

/// Encodes Spark image structs as "png" or "jpeg" files; null stays null.
#[pyfunction]
pub fn encode_images<'py>(
    py: Python<'py>,
    images: Imported<PyArray>,
    format: &str,
    quality: u8,
) -> PyResult<Bound<'py, PyAny>> {
    let (array, _) = images.0.into_inner();
    let encoded = detached(py, || encode_all(&array, format, quality).map_err(|e| e.at_stage("write_images")))?;
    to_pyarrow(py, Arc::new(encoded))
}

fn encode_all(array: &ArrayRef, format: &str, quality: u8) -> Result<BinaryArray> {
    if !types::is_image(array.data_type()) {
        return Err(Error::schema(
            "image",
            format!("has type {}; expected an image struct", types::type_name(array.data_type())),
        ));
    }
    let rows = array.as_struct();
    let missing = || Error::schema("image", "lacks a field of the image struct");
    let field = |name: &str| rows.column_by_name(name).ok_or_else(missing);
    let number = |name: &str| Ok::<_, Error>(field(name)?.as_primitive::<Int32Type>().clone());
    let (height, width, channels) = (number("height")?, number("width")?, number("nChannels")?);
    let data = arrow_cast::cast(field("data")?, &arrow_schema::DataType::Binary)?;
    let data = data.as_binary::<i32>();
    let encode = |row: usize| {
        if rows.is_null(row) {
            return Ok(None);
        }
        let size = |column: &arrow_array::Int32Array| usize::try_from(column.value(row)).unwrap_or(0);
        let view = ImageView::new(size(&height), size(&width), size(&channels), data.value(row))?;
        mmlrs_image::encode(view, format, quality).map(Some)
    };
    let files: Vec<Option<Vec<u8>>> =
        (0..rows.len()).map(|row| encode(row).map_err(|e| e.at_row(row).at_column("image"))).collect::<Result<_>>()?;
    Ok(BinaryArray::from_iter(files))
}

/// An Arrow array as a `pyarrow.Array`.
pub fn to_pyarrow(py: Python<'_>, array: ArrayRef) -> PyResult<Bound<'_, PyAny>> {
    let batch = detached(py, || Ok(RecordBatch::try_from_iter([("values", array)])?))?;
    PyRecordBatch::new(batch).into_pyarrow(py)?.call_method1("column", (0,))
}

/// A small natural-looking image, 48 x 64, encoded as "jpeg" or "png".
#[pyfunction]
pub fn sample_image<'py>(py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = mmlrs_image::sample::sample_bytes(format, 48, 64, 7).map_err(|e| to_py(py, &e))?;
    Ok(PyBytes::new(py, &bytes))
}
