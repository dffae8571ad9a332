//! The stages.

mmlrs_core::stages! {
    image_classifier: transform ImageClassifier;
    image_featurizer: transform ImageFeaturizer;
    onnx_model: transform ONNXModel;
    text_embedder: transform TextEmbedder;
}
