//! A small text model for samples, examples and tests.

use mmlrs_text::sample::SAMPLE_VOCABULARY;
use onnx_protobuf::{AttributeProto, GraphProto, TensorProto, attribute_proto::AttributeType};

use super::{model_bytes, weights};
use crate::graph::dim::Dim;
use crate::graph::element::Element;
use crate::graph::proto::{int64_tensor, node, tensor_info};

/// Maximum number of tokens of a string for [`sample_text_model`].
pub const SAMPLE_POSITIONS: usize = 32;

/// A model for the vocabulary of the sample tokenizer: `input_ids[N, S]`, `attention_mask[N, S]` -> words plus positions, times
/// the mask, Gemm, Tanh -> `last_hidden_state[N, S, 8]`. It accepts up to [`SAMPLE_POSITIONS`] tokens.
pub fn sample_text_model() -> Vec<u8> {
    let tokens = [Dim::Symbol("N".into()), Dim::Symbol("S".into())];
    let states = [Dim::Symbol("N".into()), Dim::Symbol("S".into()), Dim::Fixed(8)];
    let to_float = AttributeProto {
        name: "to".to_owned(),
        type_: AttributeType::INT.into(),
        i: i64::from(Element::F32.onnx()),
        ..AttributeProto::default()
    };
    let scalar = |name: &str, value: i64| TensorProto { dims: Vec::new(), ..int64_tensor(name, &[value]) };
    let graph = GraphProto {
        name: "sample_text".to_owned(),
        node: vec![
            node("Gather", &["words", "input_ids"], &["embedded"], vec![]),
            node("Shape", &["input_ids"], &["shape"], vec![]),
            node("Gather", &["shape", "one"], &["length"], vec![]),
            node("Range", &["zero", "length", "one"], &["places"], vec![]),
            node("Gather", &["positions", "places"], &["placed"], vec![]),
            node("Add", &["embedded", "placed"], &["sum"], vec![]),
            node("Cast", &["attention_mask"], &["mask"], vec![to_float]),
            node("Unsqueeze", &["mask", "last"], &["weights"], vec![]),
            node("Mul", &["sum", "weights"], &["masked"], vec![]),
            node("MatMul", &["masked", "w"], &["mixed"], vec![]),
            node("Tanh", &["mixed"], &["last_hidden_state"], vec![]),
        ],
        initializer: vec![
            weights("words", &[SAMPLE_VOCABULARY as i64, 8]),
            weights("positions", &[SAMPLE_POSITIONS as i64, 8]),
            weights("w", &[8, 8]),
            scalar("zero", 0),
            scalar("one", 1),
            int64_tensor("last", &[2]),
        ],
        input: ["input_ids", "attention_mask"].map(|name| tensor_info(name, Element::I64, Some(&tokens))).to_vec(),
        output: vec![tensor_info("last_hidden_state", Element::F32, Some(&states))],
        ..GraphProto::default()
    };
    model_bytes(graph, &[])
}
