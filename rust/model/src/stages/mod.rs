//! The stages.

mmlrs_core::stages! {
    deep_image_featurizer: transform DeepImageFeaturizer;
    deep_text_classifier: python DeepTextClassifier;
    deep_vision_classifier: python DeepVisionClassifier;
    fine_tuner: python FineTuner, python FineTunedModel;
    deep_image_predictor: transform DeepImagePredictor;
    image_classifier: transform ImageClassifier;
    image_featurizer: transform ImageFeaturizer;
    object_detector: transform ObjectDetector;
    onnx_model: transform ONNXModel;
    text_classifier: transform TextClassifier;
    text_embedder: transform TextEmbedder;
}
