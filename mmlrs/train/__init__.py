"""Train models on raw tables, and evaluate them."""

from __future__ import annotations

from mmlrs._generated import train as _generated
from mmlrs._generated.train import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.train.learners import (
    TrainClassifier,
    TrainedClassifierModel,
    TrainedRegressorModel,
    TrainRegressor,
)
from mmlrs.train.plots import plot_confusion_matrix, plot_precision_recall, plot_roc
from mmlrs.train.statistics import ComputeModelStatistics, ComputePerInstanceStatistics

__all__ = [
    "ComputeModelStatistics",
    "ComputePerInstanceStatistics",
    "TrainClassifier",
    "TrainRegressor",
    "TrainedClassifierModel",
    "TrainedRegressorModel",
    "plot_confusion_matrix",
    "plot_precision_recall",
    "plot_roc",
]
__all__ += _generated.__all__

__dir__ = public(globals())
