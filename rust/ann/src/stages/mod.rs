//! The stages.

mmlrs_core::stages! {
    multilayer_perceptron_classifier: python MultilayerPerceptronClassifier, transform MultilayerPerceptronClassificationModel;
}
