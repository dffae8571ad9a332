//! The stages.

mmlrs_core::stages! {
    multilayer_perceptron_classifier: python MultilayerPerceptronClassifier, transform MultilayerPerceptronClassificationModel;
    multilayer_perceptron_regressor: python MultilayerPerceptronRegressor, transform MultilayerPerceptronRegressionModel;
    neural_network_classifier: python NeuralNetworkClassifier, transform NeuralNetworkClassificationModel;
    neural_network_regressor: python NeuralNetworkRegressor, transform NeuralNetworkRegressionModel;
    auto_encoder: python AutoEncoder, transform AutoEncoderModel;
    stacked_auto_encoder: python StackedAutoEncoder;
}
