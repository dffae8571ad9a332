use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, Int64Array};
use mmlrs_core::{ParamMap, Stage, ThreadBudget};
use onnx_protobuf::GraphProto;
use serde_json::Value;

use super::*;
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::proto::{float_tensor, int64_tensor, node, tensor_info};
use crate::sample::{model_bytes, tensor};

const CX: fn() -> Context = || Context { threads: ThreadBudget::new(1) };

fn stage(params: &Value) -> ONNXModel {
    crate::testing::use_runtime();
    ONNXModel::from_params(&ParamMap::new("m", Sample::new(params.clone(), empty()).params)).expect("valid params")
}

fn empty() -> RecordBatch {
    RecordBatch::new_empty(Arc::new(Schema::empty()))
}

fn block(columns: Vec<(&str, ArrayRef)>) -> Block {
    let rows = columns[0].1.len();
    Block::new(rows, columns.into_iter().map(|(n, a)| (n.to_owned(), Column::arrow(a))).collect()).expect("a block")
}

fn run(stage: &ONNXModel, block: &Block) -> Result<(Vec<ArrayRef>, Output)> {
    let fields = stage.output_fields(&block.schema())?;
    let output = stage.transform(block, &CX())?;
    let arrays: Vec<ArrayRef> = output.columns.iter().map(|c| c.to_arrow(&CX())).collect::<Result<_>>()?;
    for (field, (array, column)) in fields.iter().zip(arrays.iter().zip(&output.columns)) {
        assert_eq!(field.data_type(), array.data_type(), "{}", field.name());
        assert_eq!(field.metadata(), column.field("x").metadata(), "{}", field.name());
        assert_eq!(array.len(), block.rows());
    }
    Ok((arrays, output))
}

fn rows(array: &ArrayRef, row: usize) -> Vec<f32> {
    let list = array.as_list::<i32>().value(row);
    list.as_primitive::<Float32Type>().values().to_vec()
}

fn vectors(values: &[Option<[f32; 4]>]) -> ArrayRef {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for value in values {
        builder.append_option(value.map(|v| v.map(Some)));
    }
    Arc::new(builder.finish())
}

fn blob(bytes: &[u8]) -> Value {
    json!({"sha256": put_blob(bytes)})
}

#[test]
fn the_sample_runs_and_scores_sum_to_one() {
    let sample = ONNXModel::sample();
    let stage = stage(&Value::Object(sample.params.clone()));
    let (out, _) = run(&stage, &block(vec![("x", sample.data.column(0).clone())])).expect("a run");
    for row in 0..6 {
        assert!((rows(&out[0], row).iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(rows(&out[1], row).len(), 8);
    }
    let best = out[2].as_primitive::<Float64Type>();
    let scores = rows(&out[0], 0);
    let top = scores.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(i, _)| i as f64);
    assert_eq!(Some(best.value(0)), top);
}

#[test]
fn mini_batches_do_not_change_the_result() {
    let data: Vec<Option<[f32; 4]>> = (0..7u8).map(|i| Some([f32::from(i), 1.0, -2.0, 0.5])).collect();
    let block = block(vec![("x", vectors(&data))]);
    let by = |size: usize| {
        let stage = stage(&json!({"model": blob(&sample_model()), "inputCol": "x", "miniBatchSize": size}));
        run(&stage, &block).expect("a run").0
    };
    assert_eq!(&by(64), &by(1));
    assert_eq!(&by(64), &by(3));
}

#[test]
fn a_bad_row_is_an_error_or_a_null_and_the_others_are_computed() {
    let data = vectors(&[Some([1.0; 4]), None, Some([2.0; 4])]);
    let params = |policy: &str, form: &str| {
        json!({"model": blob(&sample_model()), "inputCol": "x", "outputCol": "p", "handleInvalid": policy,
               "outputType": form, "softMaxDict": {"p": "s"}, "argMaxDict": {"p": "a"}})
    };
    let block = block(vec![("x", data)]);
    let message = run(&stage(&params("error", "array")), &block).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(message, "column `x`, row 1 of the batch: is null; handleInvalid=\"skip\" drops such rows");
    for form in ["array", "vector", "tensor"] {
        let (out, output) = run(&stage(&params("keep", form)), &block).expect("a run");
        for array in &out {
            assert_eq!((array.is_null(0), array.is_null(1), array.is_null(2)), (false, true, false), "{form}");
        }
        assert_eq!(output.invalid.iter().map(|r| (r.row, r.reason.as_str())).collect::<Vec<_>>(), [(1, "is null")]);
    }
}

#[test]
fn softmax_of_the_scores_is_a_vector_of_known_size() {
    let stage = stage(&json!({"model": blob(&sample_model()), "inputCol": "x", "fetchDict": {"l": "logits"},
                              "softMaxDict": {"l": "s"}}));
    let (out, _) = run(&stage, &block(vec![("x", vectors(&[Some([1.0, 2.0, 3.0, 4.0])]))])).expect("a run");
    let soft = out[1].as_fixed_size_list().value(0);
    let soft = soft.as_primitive::<Float32Type>().values();
    let logits = rows(&out[0], 0);
    let sum: f32 = logits.iter().map(|v| v.exp()).sum();
    for (s, l) in soft.iter().zip(&logits) {
        assert!((s - l.exp() / sum).abs() < 1e-6);
    }
}

/// `x[N, L]` -> `ReduceSum` over L -> `y[N]`.
fn sum_model() -> Vec<u8> {
    let graph = GraphProto {
        name: "sum".into(),
        node: vec![node("ReduceSum", &["x", "axes"], &["s"], vec![]), node("Squeeze", &["s", "axes"], &["y"], vec![])],
        initializer: vec![int64_tensor("axes", &[1])],
        input: vec![tensor("x", &[0, 0])],
        output: vec![tensor("y", &[0])],
        ..GraphProto::default()
    };
    model_bytes(graph, &[])
}

#[test]
fn rows_of_different_length_are_grouped_and_come_back_in_order() {
    let mut builder = ListBuilder::new(Float32Builder::new());
    for values in [vec![1.0], vec![1.0, 2.0], vec![5.0], vec![], vec![3.0, 4.0]] {
        builder.append_value(values.into_iter().map(Some));
    }
    let stage = stage(&json!({"model": blob(&sum_model()), "inputCol": "x", "outputCol": "y"}));
    let (out, _) = run(&stage, &block(vec![("x", Arc::new(builder.finish()) as ArrayRef)])).expect("a run");
    assert_eq!(out[0].as_primitive::<Float32Type>().values(), &[1.0, 3.0, 5.0, 0.0, 7.0]);
}

/// A model of batch `batch`: `x[b, 4]` -> Reshape to `[b, 2, 2]` -> Reshape to `[b, -1]` -> Gemm -> `y[b, 3]`.
fn fixed_model(batch: usize) -> Vec<u8> {
    let size = batch as i64;
    let graph = GraphProto {
        name: "fixed".into(),
        node: vec![
            node("Reshape", &["x", "square"], &["r"], vec![]),
            node("Reshape", &["r", "flat"], &["f"], vec![]),
            node("MatMul", &["f", "w"], &["y"], vec![]),
        ],
        initializer: vec![
            int64_tensor("square", &[size, 2, 2]),
            int64_tensor("flat", &[size, -1]),
            float_tensor("w", &[4, 3], (0..12u8).map(f32::from).collect()),
        ],
        input: vec![tensor("x", &[batch, 4])],
        output: vec![tensor("y", &[batch, 3])],
        ..GraphProto::default()
    };
    model_bytes(graph, &[])
}

#[test]
fn a_fixed_batch_is_made_free_where_the_graph_allows_it() {
    crate::testing::use_runtime();
    for batch in [1, 2] {
        let source = ModelSource::Blob(put_blob(&fixed_model(batch)));
        let prepared = prepare(&source, &[]).expect("prepared");
        assert_eq!((prepared.batch, prepared.notes.len()), (crate::graph::prepared::Batch::Dynamic, 0));
        let shipped = ModelSource::Blob(put_blob(&prepared.bytes().expect("bytes")));
        let again = prepare(&shipped, &[]).expect("prepared");
        assert_eq!((again.sha256(), again.batch), (prepared.sha256(), prepared.batch));
    }
}

/// `x[1, 4]` minus the mean over everything: rows of a larger batch would mix.
fn mixing_model() -> Vec<u8> {
    let graph = GraphProto {
        name: "mixing".into(),
        node: vec![node("ReduceMean", &["x"], &["m"], vec![]), node("Sub", &["x", "m"], &["y"], vec![])],
        input: vec![tensor("x", &[1, 4])],
        output: vec![tensor("y", &[1, 4])],
        ..GraphProto::default()
    };
    model_bytes(graph, &[])
}

#[test]
fn a_graph_whose_rows_would_mix_runs_row_by_row_and_says_so() {
    let model = blob(&mixing_model());
    let stage = stage(&json!({"model": model, "inputCol": "x"}));
    let data = vectors(&[Some([1.0, 1.0, 1.0, 5.0]), Some([0.0, 0.0, 0.0, 4.0])]);
    let (out, _) = run(&stage, &block(vec![("x", data)])).expect("a run");
    assert_eq!((rows(&out[0], 0), rows(&out[0], 1)), (vec![-1.0, -1.0, -1.0, 3.0], vec![-1.0, -1.0, -1.0, 3.0]));
    let plan = stage.plan().expect("a plan");
    assert!(plan.prepared.is_row_by_row() && plan.prepared.notes[0].contains("row by row"));
}

#[test]
fn a_shipped_model_still_knows_the_inputs_that_its_cut_dropped() {
    crate::testing::use_runtime();
    let graph = GraphProto {
        name: "two".into(),
        node: vec![node("Neg", &["a"], &["na"], vec![]), node("Add", &["na", "b"], &["y"], vec![])],
        input: vec![tensor("a", &[0, 2]), tensor("b", &[0, 2])],
        output: vec![tensor("y", &[0, 2])],
        ..GraphProto::default()
    };
    let source = ModelSource::Blob(put_blob(&model_bytes(graph, &[])));
    let prepared = prepare(&source, &["na".to_owned()]).expect("prepared");
    assert_eq!(prepared.info.inputs.len(), 1);
    let params = |model: &Value| json!({"model": model, "feedDict": {"a": "c", "b": "d"}, "fetchDict": {"n": "na"}});
    let shipped = blob(&prepared.bytes().expect("bytes"));
    let worker = stage(&params(&shipped));
    assert_eq!(worker.resolved_inputs(), Ok(Some(vec!["c".to_owned()])));
}

#[test]
fn whole_numbers_and_booleans_keep_types_that_spark_knows() {
    let dims = [Dim::Any, Dim::Fixed(2)];
    let cast = |to: Element| {
        let attribute = onnx_protobuf::AttributeProto {
            name: "to".into(),
            type_: onnx_protobuf::attribute_proto::AttributeType::INT.into(),
            i: i64::from(to.onnx()),
            ..onnx_protobuf::AttributeProto::default()
        };
        model_bytes(
            GraphProto {
                name: "cast".into(),
                node: vec![node("Cast", &["x"], &["y"], vec![attribute])],
                input: vec![tensor_info("x", Element::F32, Some(&dims))],
                output: vec![tensor_info("y", to, Some(&dims))],
                ..GraphProto::default()
            },
            &[],
        )
    };
    let elements = [
        Element::F16,
        Element::Bf16,
        Element::F64,
        Element::I8,
        Element::I16,
        Element::I32,
        Element::I64,
        Element::U8,
        Element::U16,
        Element::U32,
        Element::U64,
        Element::Bool,
    ];
    for element in elements {
        for form in ["array", "tensor"] {
            let stage = stage(&json!({"model": blob(&cast(element)), "inputCol": "x", "outputType": form}));
            let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 1]));
            let item = Arc::new(Field::new("item", DataType::Int64, true));
            let column: ArrayRef = Arc::new(FixedSizeListArray::new(item, 2, column, None));
            let (out, _) = run(&stage, &block(vec![("x", column)])).expect("a run");
            if form == "array" {
                let DataType::List(item) = out[0].data_type() else { continue };
                assert_eq!(*item.data_type(), element.output_type());
            } else {
                let data = out[0].as_struct().column(2).as_binary::<i32>().value(0).len();
                let width = if element == Element::Bf16 { 4 } else { element.width() };
                assert_eq!(data, 2 * width, "{}", element.name());
            }
        }
    }
}

#[test]
fn a_wrong_column_or_a_second_name_is_a_clear_error() {
    let data = block(vec![("x", vectors(&[Some([0.0; 4])]))]);
    let message = |params: Value| run(&stage(&params), &data).err().map(|e| e.to_string()).unwrap_or_default();
    let model = blob(&sample_model());
    let missing = message(json!({"model": model, "inputCol": "nope"}));
    assert!(missing.contains("`nope`") && missing.contains("not found"), "{missing}");
    let twice = message(json!({"model": model, "inputCol": "x", "outputCol": "p", "argMaxDict": {"p": "p"}}));
    assert!(twice.contains("a second time"), "{twice}");
    let swapped = message(json!({"model": model, "inputCol": "x", "outputCol": "p", "softMaxDict": {"q": "p"}}));
    assert!(swapped.contains("write {\"p\": \"q\"}"), "{swapped}");
    let device = message(json!({"model": model, "inputCol": "x", "device": "tpu"}));
    assert!(device.contains("param `device`"), "{device}");
}

#[test]
fn a_sequence_of_maps_becomes_a_map_column() {
    let mut ints = onnx_protobuf::AttributeProto { name: "classlabels_int64s".into(), ..Default::default() };
    ints.type_ = onnx_protobuf::attribute_proto::AttributeType::INTS.into();
    ints.ints = vec![30, 10, 20];
    let mut zip = node("ZipMap", &["x"], &["maps"], vec![ints]);
    zip.domain = "ai.onnx.ml".into();
    let mut value = onnx_protobuf::type_proto::Map { key_type: Element::I64.onnx(), ..Default::default() };
    value.value_type = Some(crate::graph::proto::tensor_type(Element::F32, Some(&[]))).into();
    let mut map = onnx_protobuf::TypeProto::default();
    map.set_map_type(value);
    let mut sequence = onnx_protobuf::TypeProto::default();
    sequence
        .set_sequence_type(onnx_protobuf::type_proto::Sequence { elem_type: Some(map).into(), ..Default::default() });
    let output =
        onnx_protobuf::ValueInfoProto { name: "maps".into(), type_: Some(sequence).into(), ..Default::default() };
    let graph = GraphProto {
        name: "zip".into(),
        node: vec![zip],
        input: vec![tensor("x", &[0, 3])],
        output: vec![output],
        ..GraphProto::default()
    };
    let bytes = model_bytes(graph, &[]);
    let mut model = <onnx_protobuf::ModelProto as onnx_protobuf::Message>::parse_from_bytes(&bytes).expect("a model");
    model.opset_import.push(onnx_protobuf::OperatorSetIdProto {
        domain: "ai.onnx.ml".into(),
        version: 1,
        ..Default::default()
    });
    let bytes = onnx_protobuf::Message::write_to_bytes(&model).expect("bytes");
    let mut builder = ListBuilder::new(Float32Builder::new());
    builder.append_value([Some(0.5), Some(0.2), Some(0.3)]);
    builder.append_null();
    builder.append_value([Some(0.1), Some(0.2), Some(0.7)]);
    let stage = stage(&json!({"model": blob(&bytes), "inputCol": "x", "outputCol": "m", "handleInvalid": "keep",
                              "argMaxDict": {"m": "best"}, "softMaxDict": {"m": "soft"}}));
    let (out, _) = run(&stage, &block(vec![("x", Arc::new(builder.finish()) as ArrayRef)])).expect("a run");
    let maps = out[0].as_map();
    assert_eq!((maps.value_length(0), maps.value_length(1), maps.value_length(2)), (3, 0, 3));
    assert!(out[0].is_null(1) && out[1].is_null(1) && out[2].is_null(1));
    let best = out[2].as_primitive::<Float64Type>();
    assert_eq!((best.value(0), best.value(2)), (30.0, 20.0));
    // The values of the softmax are in the order of the keys: 10, 20, 30.
    let soft = rows(&out[1], 0);
    assert!(soft[2] > soft[1] && soft[1] > soft[0]);
}

#[test]
fn texts_go_through_a_model_of_texts() {
    let dims = [Dim::Any];
    let graph = GraphProto {
        name: "text".into(),
        node: vec![node("Identity", &["t"], &["y"], vec![])],
        input: vec![tensor_info("t", Element::Str, Some(&dims))],
        output: vec![tensor_info("y", Element::Str, Some(&dims))],
        ..GraphProto::default()
    };
    let texts: ArrayRef = Arc::new(arrow_array::StringArray::from(vec!["ä", "", "c"]));
    let stage = stage(&json!({"model": blob(&model_bytes(graph, &[])), "inputCol": "t"}));
    let (out, _) = run(&stage, &block(vec![("t", texts.clone())])).expect("a run");
    assert_eq!(&out[0], &texts);
}

#[test]
fn an_empty_batch_gives_empty_columns() {
    for form in ["array", "vector", "tensor"] {
        let params = json!({"model": blob(&sample_model()), "inputCol": "x", "outputCol": "p", "outputType": form,
                            "softMaxDict": {"p": "s"}, "argMaxDict": {"p": "a"}});
        let (out, _) = run(&stage(&params), &block(vec![("x", vectors(&[]))])).expect("a run");
        assert!(out.iter().all(Array::is_empty));
    }
}
