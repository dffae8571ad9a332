use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float32Type;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use mmlrs_core::{Block, Column, Context, ParamMap, Stage, ThreadBudget};
use serde_json::{Map, Value, json};

use super::*;
use crate::sample::sample_model;
use crate::testing::use_runtime;

const CX: fn() -> Context = || Context { threads: ThreadBudget::new(1) };

fn stage(change: &Value) -> Result<TextEmbedder> {
    use_runtime();
    let mut params: Map<String, Value> = TextEmbedder::sample().params;
    params.extend(change.as_object().cloned().unwrap_or_default());
    TextEmbedder::from_params(&ParamMap::new("uid", params))
}

fn embedded(stage: &TextEmbedder, texts: &[Option<&str>]) -> Result<Output> {
    let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let block = Block::new(texts.len(), vec![("text".to_owned(), Column::arrow(array))])?;
    stage.transform(&block, &CX())
}

fn vectors(stage: &TextEmbedder, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts: Vec<Option<&str>> = texts.iter().copied().map(Some).collect();
    let output = embedded(stage, &texts).expect("vectors");
    let array = output.columns[0].to_arrow(&CX()).expect("Arrow");
    let rows = array.as_fixed_size_list();
    (0..rows.len()).map(|i| rows.value(i).as_primitive::<Float32Type>().values().to_vec()).collect()
}

fn message<T>(result: Result<T>) -> String {
    result.err().map(|e| e.to_string()).unwrap_or_default()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
}

const TEXTS: [&str; 5] = ["the cat sat on the mat.", "", "a dog", "unheard of words are spelt", "mat"];

#[test]
fn a_text_has_the_same_vector_alone_and_among_others() {
    let stage = stage(&json!({"miniBatchSize": 3})).expect("a stage");
    let together = vectors(&stage, &TEXTS);
    for (text, vector) in TEXTS.iter().zip(&together) {
        assert!(close(&vectors(&stage, &[text])[0], vector), "{text}");
        assert!((vector.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn the_poolings_are_those_of_the_unpadded_hidden_state() {
    let of = |pooling: &str| {
        let stage = stage(&json!({"pooling": pooling, "normalize": false})).expect("a stage");
        vectors(&stage, &TEXTS)[2].clone()
    };
    let (mean, cls, max) = (of("mean"), of("cls"), of("max"));
    assert!(!close(&mean, &cls) && !close(&mean, &max));
    assert!(mean.iter().zip(&max).all(|(mean, max)| mean <= max));
    assert!(cls.iter().zip(&max).all(|(cls, max)| cls <= max));
}

#[test]
fn the_announced_field_is_a_vector_of_the_models_size() {
    let fields = stage(&json!({})).and_then(|s| s.output_fields(&Schema::empty())).expect("a field");
    assert!(matches!(fields[0].data_type(), DataType::FixedSizeList(_, 8)));
}

#[test]
fn a_null_is_a_bad_row_and_the_others_have_vectors() {
    let keep = stage(&json!({"handleInvalid": "keep"})).expect("a stage");
    let output = embedded(&keep, &[Some("a"), None, Some("")]).expect("vectors");
    assert_eq!(output.invalid.iter().map(|bad| bad.row).collect::<Vec<_>>(), [1]);
    assert_eq!(output.columns[0].to_arrow(&CX()).expect("Arrow").null_count(), 1);
    let error = message(stage(&json!({})).and_then(|s| embedded(&s, &[Some("a"), None])));
    assert!(error.contains("column `text`, row 1") && error.contains("is null"), "{error}");
}

#[test]
fn more_tokens_than_the_model_has_positions_for_are_told_before_anything_runs() {
    for (change, start) in [(json!({"maxLength": 33}), "is 33"), (json!({"maxLength": null}), "must be set")] {
        let error = message(stage(&change).and_then(|s| s.output_fields(&Schema::empty())));
        assert!(error.starts_with(&format!("param `maxLength` {start}: the model fails on a string of")), "{error}");
    }
}

#[test]
fn a_model_that_reads_no_tokens_is_named_as_such() {
    let model = json!({"sha256": put_blob(&sample_model())});
    let error = message(stage(&json!({"model": model})).and_then(|s| s.output_fields(&Schema::empty())));
    assert!(error.contains("the model reads `x`, which tokens do not provide"), "{error}");
}

#[test]
fn an_unknown_output_is_refused_with_the_ones_there_are() {
    let change = json!({"outputTensorName": "nope"});
    let error = message(stage(&change).and_then(|s| s.output_fields(&Schema::empty())));
    assert!(error.contains("param `outputTensorName` is `nope`") && error.contains("`last_hidden_state`"), "{error}");
}

#[test]
fn an_internal_tensor_can_be_read_instead_of_the_output() {
    let stage = stage(&json!({"outputTensorName": "mixed", "normalize": false})).expect("a stage");
    let inner = vectors(&stage, &["a"]);
    assert_eq!(inner[0].len(), 8);
}
