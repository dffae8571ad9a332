use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, LargeBinaryArray, StringArray, StructArray};
use arrow_schema::{DataType, Schema};
use mmlrs_core::{Context, ErrorKind, HandleInvalid, NativeColumn, Result, ThreadBudget, types};

use super::*;
use crate::ops::{Interpolation, Op, Resize, ResizeTo};
use crate::options::DecodeOptions;
use crate::sample::{image_batch, jpeg_with_orientation, sample_bytes};

fn cx(threads: usize) -> Context {
    Context { threads: ThreadBudget::new(threads) }
}

fn step(stage: &str, handle_invalid: HandleInvalid, ops: Vec<Op>) -> Step {
    Step {
        stage: stage.to_owned(),
        column: "image".to_owned(),
        handle_invalid,
        decode: DecodeOptions::default(),
        ops,
        boxes: None,
    }
}

fn shrink(height: usize, width: usize) -> Op {
    Op::Resize(Resize { to: ResizeTo::Exact { height, width }, interpolation: Interpolation::Area })
}

fn binary(cells: Vec<Option<&[u8]>>) -> ArrayRef {
    Arc::new(BinaryArray::from_opt_vec(cells))
}

fn column(array: &ArrayRef) -> Result<ImageColumn> {
    ImageColumn::from_array("image", array, None)
}

fn heights(array: &ArrayRef) -> Vec<Option<i32>> {
    let rows = array.as_struct();
    let heights: Option<&Int32Array> = rows.column_by_name("height").map(AsArray::as_primitive::<Int32Type>);
    (0..rows.len()).map(|i| heights.filter(|_| rows.is_valid(i)).map(|h| h.value(i))).collect()
}

#[test]
fn encoded_cells_of_every_type_become_image_structs() -> Result<()> {
    let jpeg = sample_bytes("jpeg", 20, 30, 1)?;
    let plain = binary(vec![Some(&jpeg), Some(&jpeg)]);
    let large: ArrayRef = Arc::new(LargeBinaryArray::from_vec(vec![&jpeg, &jpeg]));
    let paths: ArrayRef = Arc::new(StringArray::from(vec!["a.jpg", "b.jpg"]));
    let files: ArrayRef = Arc::new(StructArray::try_from(vec![("path", paths.clone()), ("bytes", plain.clone())])?);
    let mut decoded = Vec::new();
    for array in [&plain, &large, &files] {
        let out = column(array)?.materialize(&cx(2))?;
        assert_eq!(out.array.data_type(), &types::image_type());
        assert_eq!(heights(&out.array), [Some(20), Some(20)]);
        decoded.push(out.array);
    }
    let origins = |array: &ArrayRef| array.as_struct().column(0).as_string::<i32>().value(1).to_owned();
    assert_eq!(origins(&decoded[2]), "b.jpg");
    assert_eq!(origins(&decoded[0]), "");
    let named = ImageColumn::from_array("image", &plain, Some(&paths))?.materialize(&cx(1))?;
    assert_eq!(origins(&named.array), "b.jpg");
    let again = column(&decoded[0])?.materialize(&cx(1))?;
    assert_eq!(&again.array, &decoded[0], "image structs pass unchanged");
    let sliced = column(&plain.slice(1, 1))?;
    assert_eq!(heights(&sliced.materialize(&cx(1))?.array), [Some(20)]);
    Ok(())
}

#[test]
fn other_types_are_refused_by_name() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let error = column(&numbers).err().map_or((ErrorKind::Io, String::new()), |e| (e.kind(), e.to_string()));
    assert_eq!(error.0, ErrorKind::SchemaMismatch);
    assert!(error.1.contains("column `image`") && error.1.contains("encoded bytes"), "{}", error.1);
}

#[test]
fn the_error_policy_names_stage_column_row_and_origin() -> Result<()> {
    let jpeg = sample_bytes("jpeg", 20, 30, 1)?;
    let array = binary(vec![Some(&jpeg), Some(b"no picture")]);
    let paths: ArrayRef = Arc::new(StringArray::from(vec!["a.jpg", "b.jpg"]));
    let images = ImageColumn::from_array("image", &array, Some(&paths))?.then(step(
        "Shrink",
        HandleInvalid::Error,
        vec![shrink(5, 5)],
    ));
    let message = images.materialize(&cx(2)).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message.starts_with("Shrink: column `image`, row 1 of the batch (b.jpg): not an image"), "{message}");
    Ok(())
}

#[test]
fn kept_rows_are_null_with_their_reason() -> Result<()> {
    let jpeg = sample_bytes("jpeg", 20, 30, 1)?;
    let array = binary(vec![Some(&jpeg), None, Some(b"no picture"), Some(&jpeg[..200])]);
    let images = column(&array)?.then(step("Shrink", HandleInvalid::Keep, vec![shrink(5, 5)]));
    let out = images.clone().materialize(&cx(2))?;
    assert_eq!(heights(&out.array), [Some(5), None, None, None]);
    let rows: Vec<usize> = out.invalid.iter().map(|e| e.row).collect();
    assert_eq!(rows, [1, 2, 3]);
    assert_eq!(out.invalid[0].reason, "value is null");
    // The next stage receives nulls: kept with `keep`, an error of its own with `error`.
    let kept = images.clone().then(step("Next", HandleInvalid::Keep, vec![])).materialize(&cx(1))?;
    assert_eq!((heights(&kept.array), kept.invalid.len()), (vec![Some(5), None, None, None], 3));
    assert_eq!(kept.invalid[1].reason, "value is null");
    let failed = images.then(step("Next", HandleInvalid::Error, vec![])).materialize(&cx(1));
    let message = failed.err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(
        message,
        "Next: column `image`, row 1 of the batch: value is null; handleInvalid=\"skip\" drops such rows"
    );
    Ok(())
}

#[test]
fn a_skipped_row_does_not_fail_a_later_stage() -> Result<()> {
    let array = binary(vec![Some(b"no picture")]);
    let images = column(&array)?.then(step("First", HandleInvalid::Skip, vec![])).then(step(
        "Next",
        HandleInvalid::Error,
        vec![shrink(5, 5)],
    ));
    let out = images.materialize(&cx(1))?;
    assert!(out.invalid[0].reason.contains("not an image"));
    Ok(())
}

#[test]
fn steps_run_in_order() -> Result<()> {
    let jpeg = sample_bytes("jpeg", 400, 300, 1)?;
    let array = binary(vec![Some(&jpeg)]);
    let crop = Op::Crop { x: 0, y: 0, height: 10, width: 20 };
    let images = column(&array)?.then(step("A", HandleInvalid::Error, vec![shrink(40, 30)])).then(step(
        "B",
        HandleInvalid::Error,
        vec![crop],
    ));
    assert_eq!(heights(&images.materialize(&cx(1))?.array), [Some(10)]);
    Ok(())
}

#[test]
fn a_shorter_side_is_computed_from_the_full_size() -> Result<()> {
    // 1001 / 401 * 50 = 124.8; at half scale 501 / 201 * 50 = 124.6, at an eighth 126 / 51 * 50 = 123.5.
    let jpeg = jpeg_with_orientation(&sample_bytes("jpeg", 401, 1001, 1)?, 6);
    let resize = Op::Resize(Resize { to: ResizeTo::ShorterSide(20), interpolation: Interpolation::Area });
    let array = binary(vec![Some(&jpeg)]);
    let out = column(&array)?.then(step("A", HandleInvalid::Error, vec![resize])).materialize(&cx(1))?;
    assert_eq!(heights(&out.array), [Some(50)]);
    Ok(())
}

#[test]
fn structs_that_hold_no_image_are_bad_rows() -> Result<()> {
    let ints = |v: i32| Arc::new(Int32Array::from(vec![v])) as ArrayRef;
    let cell = |size: i32, channels: i32, mode: i32, data: &[u8]| {
        StructArray::try_new(
            types::image_fields(),
            vec![
                Arc::new(StringArray::from(vec!["x.jpg"])),
                ints(size),
                ints(size),
                ints(channels),
                ints(mode),
                Arc::new(BinaryArray::from_vec(vec![data])),
            ],
            None,
        )
        .map(|a| Arc::new(a) as ArrayRef)
    };
    for (array, cause) in [
        (cell(-1, -1, -1, &[])?, "marked as not decodable"),
        (cell(2, 3, 16, &[])?, "no pixels"),
        (cell(2, 3, 16, &[0; 11])?, "cannot have 11 bytes"),
        (cell(2, 3, 21, &[0; 12])?, "mode 21"),
        (cell(2, 2, 16, &[0; 8])?, "1, 3 or 4 channels"),
    ] {
        let images = column(&array)?.then(step("A", HandleInvalid::Keep, vec![]));
        let out = images.materialize(&cx(1))?;
        assert!(out.invalid[0].reason.contains(cause), "{:?}", out.invalid);
        assert!(out.invalid[0].reason.contains("(x.jpg)"));
    }
    Ok(())
}

#[test]
fn an_empty_column_is_an_empty_array() -> Result<()> {
    let out = column(&binary(vec![]))?.materialize(&cx(2))?;
    assert_eq!((out.array.len(), out.array.data_type()), (0, &types::image_type()));
    Ok(())
}

#[test]
fn threads_do_not_change_the_result() -> Result<()> {
    let batch = image_batch("image", 9, 30, 40);
    assert_eq!(batch.num_rows(), 9);
    let images = column(batch.column(0))?.then(step("A", HandleInvalid::Error, vec![shrink(7, 9)]));
    assert_eq!(&images.materialize(&cx(1))?.array, &images.materialize(&cx(3))?.array);
    Ok(())
}

#[test]
fn the_input_check_lists_what_exists() {
    let schema = Schema::new(vec![arrow_schema::Field::new("picture", DataType::Binary, true)]);
    assert!(check_image_input(&schema, "picture").is_ok());
    let message = check_image_input(&schema, "image").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message.contains("`picture`"), "{message}");
}
