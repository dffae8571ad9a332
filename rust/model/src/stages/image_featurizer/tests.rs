use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, BinaryArray};
use mmlrs_core::{Column, ParamMap, Stage, ThreadBudget};
use mmlrs_image::sample::{image_batch, sample_bytes};
use serde_json::Value;

use super::*;

fn stage(extra: &Value) -> ImageFeaturizer {
    crate::testing::use_runtime();
    let mut params = ImageFeaturizer::sample().params;
    if let Value::Object(extra) = extra {
        params.extend(extra.clone());
    }
    ImageFeaturizer::from_params(&ParamMap::new("f", params)).expect("valid params")
}

fn block(array: ArrayRef) -> Block {
    Block::new(array.len(), vec![("image".to_owned(), Column::arrow(array))]).expect("a block")
}

fn run(stage: &ImageFeaturizer, array: ArrayRef, threads: usize) -> Result<(ArrayRef, Output)> {
    let cx = Context { threads: ThreadBudget::new(threads) };
    let block = block(array);
    let fields = stage.output_fields(&block.schema())?;
    let output = stage.transform(&block, &cx)?;
    let array = output.columns[0].to_arrow(&cx)?;
    assert_eq!((array.data_type(), array.len()), (fields[0].data_type(), block.rows()));
    Ok((array, output))
}

fn vector(array: &ArrayRef, row: usize) -> Vec<f32> {
    let row = array.as_fixed_size_list().value(row);
    row.as_primitive::<Float32Type>().values().to_vec()
}

fn pictures(count: u32) -> ArrayRef {
    binary_batch("image", count, 48, 64).column(0).clone()
}

#[test]
fn threads_and_mini_batches_do_not_change_the_vectors() {
    let (one, _) = run(&stage(&json!({})), pictures(7), 1).expect("a run");
    for (size, threads) in [(2, 1), (2, 2), (64, 2), (1, 2)] {
        let (other, _) = run(&stage(&json!({"miniBatchSize": size})), pictures(7), threads).expect("a run");
        for row in 0..7 {
            let near = vector(&one, row).iter().zip(vector(&other, row)).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "row {row}, mini-batches of {size}, {threads} threads");
        }
    }
}

#[test]
fn structs_and_bytes_of_a_picture_give_nearly_the_same_vector() {
    let (bytes, _) = run(&stage(&json!({"scaledDecode": false})), pictures(2), 1).expect("a run");
    let structs = image_batch("image", 2, 48, 64).column(0).clone();
    let (structs, _) = run(&stage(&json!({"scaledDecode": false})), structs, 1).expect("a run");
    let worst = vector(&bytes, 1).iter().zip(vector(&structs, 1)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 0.05, "{worst}");
}

#[test]
fn bad_pictures_are_an_error_or_null() {
    let good = sample_bytes("jpeg", 40, 40, 1).expect("a picture");
    let cells: Vec<Option<&[u8]>> = vec![Some(&good), Some(b"no picture"), None, Some(&good[..60]), Some(&good)];
    let array: ArrayRef = Arc::new(BinaryArray::from(cells));
    let error = run(&stage(&json!({})), array.clone(), 1).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("column `image`, row 1"), "{error}");
    for threads in [1, 2] {
        let (out, output) =
            run(&stage(&json!({"handleInvalid": "keep", "miniBatchSize": 2})), array.clone(), threads).expect("a run");
        let valid: Vec<bool> = (0..5).map(|r| out.is_valid(r)).collect();
        assert_eq!(valid, [true, false, false, false, true]);
        assert_eq!(output.invalid.iter().map(|r| r.row).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(vector(&out, 0), vector(&out, 4));
    }
}

#[test]
fn headless_cut_and_named_tensor_choose_the_vector() {
    let size = |extra: Value| run(&stage(&extra), pictures(1), 1).expect("a run").0.as_fixed_size_list().value_length();
    assert_eq!(size(json!({})), 8);
    assert_eq!(size(json!({"headless": false})), 3);
    assert_eq!(size(json!({"cutOutputLayers": 0})), 3);
    assert_eq!(size(json!({"cutOutputLayers": 2})), 8);
    assert_eq!(size(json!({"cutOutputLayers": 2, "pooling": "none"})), 8 * 16 * 16);
    assert_eq!(size(json!({"cutOutputLayers": 2, "pooling": "grid"})), 8 * 4);
    assert_eq!(size(json!({"featureTensorName": "conv", "pooling": "max"})), 8);
}

#[test]
fn pooled_maps_are_the_features_that_the_network_pools_itself() {
    let (features, _) = run(&stage(&json!({})), pictures(2), 1).expect("a run");
    let (maps, _) = run(&stage(&json!({"cutOutputLayers": 2})), pictures(2), 1).expect("a run");
    for (a, b) in vector(&features, 1).iter().zip(vector(&maps, 1)) {
        assert!((a - b).abs() < 1e-5);
    }
}

#[test]
fn sizes_and_layers_that_do_not_fit_are_clear_errors() {
    let message = |extra: Value| run(&stage(&extra), pictures(1), 1).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message(json!({"imageHeight": 64})).contains("only accepts images of 32"));
    assert!(message(json!({"cutOutputLayers": 9})).contains("must be below 3"));
    assert!(message(json!({"featureTensorName": "featurs"})).contains("`features`"));
    let not_pictures = put_blob(&crate::sample::sample_model());
    assert!(message(json!({"model": {"sha256": not_pictures}})).contains("four dimensions"));
}
