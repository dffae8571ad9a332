"""Which module compiles which class: by the name of class and library, without importing the library."""

from __future__ import annotations

import os
from typing import Any

from mmlrs.compiled.estimators import _lightgbm, _xgboost
from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._outputs import Outputs
from mmlrs.compiled.estimators._sklearn import names as sklearn_names
from mmlrs.compiled.estimators._sklearn import predict as predict_sklearn
from mmlrs.compiled.estimators._sklearn import predictor_of, transformed, unwrapped
from mmlrs.errors import InvalidParamError, IoError, ModelLoadError

__all__ = ["finish", "is_transformer", "names_and_size", "source"]


def library(fitted: Any) -> str:
    """Return the library of an object: the first part of its class's module."""
    return type(fitted).__module__.split(".")[0]


def source(path: str | os.PathLike[str]) -> Any:
    """Return the content of a model file."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise IoError(f"from_estimator: param `fitted`: cannot read {os.fspath(path)!r}: {error}") from error
    if content.startswith(b"tree\n"):
        return _lightgbm.Dump(content.decode(errors="replace"))
    if content.lstrip()[:1] == b"{":
        return _xgboost.Dump(content)
    raise ModelLoadError(
        f"from_estimator: {os.fspath(path)!r} is neither a text dump of LightGBM nor a JSON model of XGBoost"
    )


def names_and_size(fitted: Any) -> tuple[list[str] | None, int]:
    """Return the names of the features, if the fit knew them, and their number."""
    kind = library(fitted)
    if isinstance(fitted, _lightgbm.Dump) or kind == "lightgbm":
        return _lightgbm.names(fitted)
    if isinstance(fitted, _xgboost.Dump) or kind == "xgboost":
        return _xgboost.names(fitted)
    if kind == "sklearn":
        return sklearn_names(fitted, names_and_size)
    raise InvalidParamError(
        "from_estimator: param `fitted` must be a fitted estimator of scikit-learn, LightGBM or XGBoost, or the path of a"
        f" model file, got {type(fitted).__module__}.{type(fitted).__qualname__}"
    )


def is_transformer(fitted: Any) -> bool:
    """Return whether a fitted object transforms, and predicts nothing."""
    return library(fitted) == "sklearn" and not hasattr(unwrapped(fitted), "predict")


def finish(flow: Flow, fitted: Any, features: Features, outputs: Outputs, outputCol: str) -> None:
    """Add the steps of a fitted object, and the columns of its results."""
    if is_transformer(fitted):
        done = transformed(flow, fitted, features, type(fitted).__name__)
        if not done:
            raise refused(type(fitted).__name__, "it returns no features")
        column = flow.vector(type(fitted).__name__, done, "any")
        flow.add(type(fitted).__name__, [column], [outputCol], "vector_size", size=len(done), optimistic=True)
        outputs.added = [outputCol]
        return
    is_file = isinstance(fitted, _lightgbm.Dump | _xgboost.Dump)
    final, features, at = predictor_of(
        flow, fitted, features, "Booster" if is_file else type(fitted).__name__
    )
    predict(flow, final, features, outputs, at)


def predict(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    """Add the steps of a predictor."""
    kind = library(fitted)
    if isinstance(fitted, _lightgbm.Dump) or kind == "lightgbm":
        _lightgbm.predict(flow, fitted, features, outputs, at)
    elif isinstance(fitted, _xgboost.Dump) or kind == "xgboost":
        _xgboost.predict(flow, fitted, features, outputs, at)
    else:
        predict_sklearn(flow, fitted, features, outputs, at)
