//! A small detector.

use onnx_protobuf::{GraphProto, TensorProto};

use super::{model_bytes, tensor};
use crate::graph::proto::{float_tensor, int, ints, node};

/// Height and width of the input.
const SIDE: usize = 64;
/// Boxes of a YOLO for this input: 8 x 8 cells, 4 x 4 and 2 x 2.
const BOXES: usize = 84;

/// A box of the sample: its place among the boxes, its class and score, and its centre, width and height in pixels.
struct Known {
    at: usize,
    class: usize,
    score: f32,
    place: [f32; 4],
}

const KNOWN: [Known; 4] = [
    Known { at: 20, class: 0, score: 0.9, place: [32.0, 32.0, 24.0, 16.0] },
    // Hidden by the first.
    Known { at: 21, class: 0, score: 0.8, place: [33.0, 32.0, 24.0, 16.0] },
    Known { at: 70, class: 1, score: 0.6, place: [10.0, 30.0, 20.0, 12.0] },
    // Below the default threshold.
    Known { at: 83, class: 1, score: 0.1, place: [50.0, 30.0, 8.0, 8.0] },
];

/// A detector for images of 64 x 64 pixels with the outputs of a `YOLOv8`, `image[N, 3, 64, 64]` -> `output0[N, 6, 84]`, for the
/// classes "cat" and "dog". It finds a cat in the middle of every image and a dog left of it, the more surely the brighter the
/// image is.
pub fn sample_detector() -> Vec<u8> {
    let graph = GraphProto {
        name: "sample_detector".to_owned(),
        node: vec![
            node("ReduceMean", &["image"], &["gray"], vec![ints("axes", &[1]), int("keepdims", 0)]),
            node("ReduceMean", &["gray"], &["brightness"], vec![ints("axes", &[1, 2]), int("keepdims", 1)]),
            node("Mul", &["brightness", "gain"], &["change"], vec![]),
            node("Add", &["change", "known"], &["output0"], vec![]),
        ],
        initializer: vec![
            numbers("known", |known, row| match row {
                0..4 => known.place[row],
                _ if row == 4 + known.class => known.score,
                _ => 0.0,
            }),
            numbers("gain", |known, row| if row == 4 + known.class { 0.05 } else { 0.0 }),
        ],
        input: vec![tensor("image", &[0, 3, SIDE, SIDE])],
        output: vec![tensor("output0", &[0, 6, BOXES])],
        ..GraphProto::default()
    };
    let metadata = [("names", "{0: 'cat', 1: 'dog'}"), ("stride", "32"), ("task", "detect"), ("imgsz", "[64, 64]")];
    model_bytes(graph, &metadata)
}

/// A tensor of six numbers for each box.
fn numbers(name: &str, of: impl Fn(&Known, usize) -> f32) -> TensorProto {
    let mut values = vec![0.0; 6 * BOXES];
    for known in &KNOWN {
        for row in 0..6 {
            values[row * BOXES + known.at] = of(known, row);
        }
    }
    float_tensor(name, &[1, 6, BOXES as i64], values)
}
