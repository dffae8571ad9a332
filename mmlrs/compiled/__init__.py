"""Fitted models as native stages: `compile` and `from_estimator`."""

from __future__ import annotations

from mmlrs._generated import compiled as _generated
from mmlrs._generated.compiled import *  # noqa: F403 (purely native stages need no line here)
from mmlrs._names import public
from mmlrs.compiled._compile import compile  # noqa: A004 - the name says what it does
from mmlrs.compiled._model import CompiledModel
from mmlrs.compiled.estimators import from_estimator

__all__ = ["CompiledModel", "compile", "from_estimator"]
__all__ += _generated.__all__

__dir__ = public(globals())
