"""Train neural networks on Spark or on tables: multilayer perceptrons."""

from __future__ import annotations

from mmlrs._generated import ann as _generated
from mmlrs._generated.ann import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.ann._perceptron import (
    MultilayerPerceptronClassificationModel,
    MultilayerPerceptronClassifier,
)

__all__ = ["MultilayerPerceptronClassificationModel", "MultilayerPerceptronClassifier"]
__all__ += _generated.__all__

__dir__ = public(globals())
