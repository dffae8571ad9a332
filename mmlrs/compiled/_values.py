"""Reading the params of fitted stages of Spark ML."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from mmlrs.compiled._saved import Saved

__all__ = ["CannotCompile", "Reader", "columns_of", "dense", "matrix", "policy_of", "value"]

#: Returns the native stages of a fitted stage.
Reader: TypeAlias = "Callable[[Any, Saved], list[Any]]"


class CannotCompile(Exception):  # noqa: N818 - it becomes an InvalidParamError that names the place
    """A fitted stage cannot be compiled, and why."""


def value(stage: Any, name: str, default: Any = None) -> Any:
    """Return the value of a param, or `default` if the stage has no such param or the param has no value."""
    if not stage.hasParam(name) or not stage.isDefined(name):
        return default
    return stage.getOrDefault(name)


def columns_of(stage: Any) -> tuple[list[str], list[str]]:
    """Return the input and output columns of a stage that reads one or several."""
    inputs = value(stage, "inputCols")
    if inputs is not None:
        return list(inputs), list(stage.getOrDefault("outputCols"))
    return [stage.getOrDefault("inputCol")], [stage.getOrDefault("outputCol")]


def policy_of(stage: Any) -> str:
    """Return the row policy of a step: whether rows that the stage cannot process are dropped."""
    return "skip" if value(stage, "handleInvalid") == "skip" else "error"


def dense(vector: Any) -> np.ndarray[Any, Any]:
    """Return a vector of Spark ML as an array."""
    return np.asarray(vector.toArray(), dtype=np.float64)


def matrix(matrix: Any) -> np.ndarray[Any, Any]:
    """Return a matrix of Spark ML as a two-dimensional array."""
    array: np.ndarray[Any, Any] = np.asarray(matrix.toArray(), dtype=np.float64)
    return array
