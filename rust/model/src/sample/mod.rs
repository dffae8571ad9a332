//! Small models for samples, examples and tests, built from scratch.

mod detector;
mod text;

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use onnx_protobuf::{GraphProto, Message, ModelProto, OperatorSetIdProto, TensorProto, ValueInfoProto};
use serde_json::json;

use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::image_meta::IMAGE_KEY;
use crate::graph::proto::{entry, float_tensor, ints, node, tensor_info};

pub use detector::sample_detector;
pub use text::sample_text_model;

/// A classifier with four numeric inputs: `x[N, 4]` -> Gemm, Relu -> `features[N, 8]` -> Gemm, Softmax -> `scores[N, 3]`.
pub fn sample_model() -> Vec<u8> {
    let graph = GraphProto {
        name: "sample".to_owned(),
        node: vec![
            node("Gemm", &["x", "w1", "b1"], &["hidden"], vec![]),
            node("Relu", &["hidden"], &["features"], vec![]),
            node("Gemm", &["features", "w2", "b2"], &["logits"], vec![]),
            node("Softmax", &["logits"], &["scores"], vec![]),
        ],
        initializer: vec![weights("w1", &[4, 8]), weights("b1", &[8]), weights("w2", &[8, 3]), weights("b2", &[3])],
        input: vec![tensor("x", &[0, 4])],
        output: vec![tensor("scores", &[0, 3])],
        ..GraphProto::default()
    };
    model_bytes(graph, &[])
}

/// A small network for images of 32 x 32 pixels: `image[N, 3, 32, 32]` -> Conv, Relu -> `maps[N, 8, 16, 16]` -> global average
/// -> `features[N, 8]` -> Gemm, Softmax -> `scores[N, 3]`. Its metadata contain the image settings.
pub fn sample_image_model() -> Vec<u8> {
    let graph = GraphProto {
        name: "sample_image".to_owned(),
        node: vec![
            node(
                "Conv",
                &["image", "w1", "b1"],
                &["conv"],
                vec![ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])],
            ),
            node("Relu", &["conv"], &["maps"], vec![]),
            node("GlobalAveragePool", &["maps"], &["pooled"], vec![]),
            node("Flatten", &["pooled"], &["features"], vec![]),
            node("Gemm", &["features", "w2", "b2"], &["logits"], vec![]),
            node("Softmax", &["logits"], &["scores"], vec![]),
        ],
        initializer: vec![
            weights("w1", &[8, 3, 3, 3]),
            weights("b1", &[8]),
            weights("w2", &[8, 3]),
            weights("b2", &[3]),
        ],
        input: vec![tensor("image", &[0, 3, 32, 32])],
        output: vec![tensor("scores", &[0, 3])],
        ..GraphProto::default()
    };
    let meta = json!({
        "height": 32, "width": 32, "means": [0.5, 0.5, 0.5], "stds": [0.25, 0.25, 0.25], "scale": 1.0 / 255.0,
        "channelOrder": "rgb", "layerNames": ["scores", "features", "maps"], "featureTensor": "features",
        "labels": ["a", "b", "c"],
    });
    model_bytes(graph, &[(IMAGE_KEY, &meta.to_string())])
}

/// Rows for [`sample_model`], with labels.
pub fn labelled_vectors() -> RecordBatch {
    let mut rows = ListBuilder::new(Float32Builder::new());
    for row in 0..5_u8 {
        rows.append_value([0.5, 1.0, 0.25, 2.0].map(|value| Some(value * f32::from(row % 3))));
    }
    let array: ArrayRef = Arc::new(rows.finish());
    let schema = Arc::new(Schema::new(vec![Field::new("features", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![array]);
    labelled(&batch.unwrap_or_else(|_| RecordBatch::new_empty(schema)))
}

/// The rows with a column of labels.
pub fn labelled(batch: &RecordBatch) -> RecordBatch {
    let labels: StringArray = (0..batch.num_rows()).map(|row| Some(["b", "a"][row % 2])).collect();
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().to_vec();
    fields.push(Arc::new(Field::new("label", DataType::Utf8, true)));
    let columns = [batch.columns(), &[Arc::new(labels) as ArrayRef]].concat();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap_or_else(|_| batch.clone())
}

/// A serialized model with one graph.
pub fn model_bytes(graph: GraphProto, metadata: &[(&str, &str)]) -> Vec<u8> {
    let model = ModelProto {
        ir_version: 8,
        producer_name: "mmlrs".to_owned(),
        opset_import: vec![OperatorSetIdProto { version: 17, ..OperatorSetIdProto::default() }],
        graph: Some(graph).into(),
        metadata_props: metadata.iter().map(|(key, value)| entry(key, value)).collect(),
        ..ModelProto::default()
    };
    model.write_to_bytes().unwrap_or_default()
}

/// A float input or output. 0 means a free dimension.
pub fn tensor(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dims: Vec<Dim> = dims.iter().map(|d| if *d == 0 { Dim::Symbol("N".into()) } else { Dim::Fixed(*d) }).collect();
    tensor_info(name, Element::F32, Some(&dims))
}

/// Weights between -0.5 and 0.5 that depend on the name only.
pub fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let seed: u64 = name.bytes().map(u64::from).sum();
    let count = dims.iter().product::<i64>() as u64;
    let value = |i: u64| ((i * 37 + seed * 11) % 101) as f32 / 100.0 - 0.5;
    float_tensor(name, dims, (0..count).map(value).collect())
}
