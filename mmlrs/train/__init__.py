"""Train models on raw tables, and evaluate them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmlrs._generated import train as _generated
from mmlrs._generated.train import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.train.learners import (
    TrainClassifier,
    TrainedClassifierModel,
    TrainedRegressorModel,
    TrainRegressor,
)
from mmlrs.train.statistics import ComputeModelStatistics, ComputePerInstanceStatistics

if TYPE_CHECKING:
    from mmlrs.plot import plot_confusion_matrix, plot_precision_recall, plot_roc

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


def __getattr__(name: str) -> Any:
    """Return the plots of statistics, which are those of `mmlrs.plot`. That package imports this one."""
    if name.startswith("plot_") and name in __all__:
        from mmlrs import plot

        return getattr(plot, name)
    raise AttributeError(f"module 'mmlrs.train' has no attribute {name!r}")
