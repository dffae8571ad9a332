//! The stages.

mmlrs_core::stages! {
    image_featurizer: transform ImageFeaturizer;
    onnx_model: transform ONNXModel;
    text_embedder: transform TextEmbedder;
}
