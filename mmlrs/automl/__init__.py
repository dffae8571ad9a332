"""Choose the best model and search for hyper-parameters."""

from __future__ import annotations

from mmlrs._generated import automl as _generated
from mmlrs._generated.automl import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.automl.best import BestModel, FindBestModel
from mmlrs.automl.hyperparams import (
    DiscreteHyperParam,
    FloatRangeHyperParam,
    HyperParam,
    IntRangeHyperParam,
    RangeHyperParam,
)
from mmlrs.automl.spaces import GridSpace, HyperparamBuilder, ParamSpace, RandomSpace, TunedParam
from mmlrs.automl.tune import TuneHyperparameters, TuneHyperparametersModel

#: Names of the two ranges in the libraries that mmlrs succeeds.
DoubleRangeHyperParam = FloatRangeHyperParam
LongRangeHyperParam = IntRangeHyperParam

__all__ = [
    "BestModel",
    "DiscreteHyperParam",
    "DoubleRangeHyperParam",
    "FindBestModel",
    "FloatRangeHyperParam",
    "GridSpace",
    "HyperParam",
    "TunedParam",
    "HyperparamBuilder",
    "IntRangeHyperParam",
    "LongRangeHyperParam",
    "ParamSpace",
    "RandomSpace",
    "RangeHyperParam",
    "TuneHyperparameters",
    "TuneHyperparametersModel",
]
__all__ += _generated.__all__

__dir__ = public(globals())
