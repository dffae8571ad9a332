"""Train neural networks on Spark or on tables: perceptrons, autoencoders, networks of any layers."""

from __future__ import annotations

from mmlrs._generated import ann as _generated
from mmlrs._generated.ann import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.ann import layers
from mmlrs.ann._autoencoder import AutoEncoder, AutoEncoderModel, StackedAutoEncoder
from mmlrs.ann._estimators import (
    NeuralNetworkClassificationModel,
    NeuralNetworkClassifier,
    NeuralNetworkRegressionModel,
    NeuralNetworkRegressor,
)
from mmlrs.ann._fine_tuned import FineTunedModel
from mmlrs.ann._fine_tuner import DeepTextClassifier, DeepVisionClassifier, FineTuner
from mmlrs.ann._gradients import GradientCheck, check_gradients
from mmlrs.ann._perceptron import (
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressionModel,
    MultilayerPerceptronRegressor,
)
from mmlrs.ann._workers import WorkerEstimate, WorkerTimes, estimate_workers

__all__ = [
    "AutoEncoder",
    "AutoEncoderModel",
    "DeepTextClassifier",
    "DeepVisionClassifier",
    "FineTunedModel",
    "FineTuner",
    "GradientCheck",
    "MultilayerPerceptronClassificationModel",
    "MultilayerPerceptronClassifier",
    "MultilayerPerceptronRegressionModel",
    "MultilayerPerceptronRegressor",
    "NeuralNetworkClassificationModel",
    "NeuralNetworkClassifier",
    "NeuralNetworkRegressionModel",
    "NeuralNetworkRegressor",
    "StackedAutoEncoder",
    "WorkerEstimate",
    "WorkerTimes",
    "check_gradients",
    "estimate_workers",
    "layers",
]
__all__ += _generated.__all__

__dir__ = public(globals())
