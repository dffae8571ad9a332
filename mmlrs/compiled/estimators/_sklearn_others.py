"""Perceptrons, clusters and isotonic regression of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._outputs import Outputs, threshold

__all__ = ["PREDICTORS"]

_ACTIVATIONS = {"logistic": "sigmoid", "tanh": "tanh", "relu": "relu", "identity": "identity"}


def _perceptron(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    origin = type(fitted).__name__
    layers = [len(features), *(len(biases) for biases in fitted.intercepts_)]
    weights = [
        part for w, b in zip(fitted.coefs_, fitted.intercepts_) for part in (np.ravel(np.transpose(w)), b)
    ]
    model = {
        "kind": "perceptron",
        "layers": [int(units) for units in layers],
        "weights": floats(np.concatenate(weights)),
        "activation": _ACTIVATIONS[fitted.activation],
    }
    column = flow.vector(origin, features)
    if not hasattr(fitted, "classes_"):
        if layers[-1] != 1:
            raise refused(at, f"it predicts {layers[-1]} outputs", "compile a model of one output")
        link = "log" if fitted.out_activation_ == "exp" else "identity"
        outputs.regressor(flow, origin, column, model, link)
        return
    if np.asarray(fitted.classes_).ndim != 1 or layers[-1] not in (1, len(fitted.classes_)):
        raise refused(at, "it predicts several labels per row", "compile a model of one label")
    binary = layers[-1] == 1
    outputs.classifier(
        flow,
        origin,
        column,
        model,
        classes=fitted.classes_,
        probabilities="logistic" if binary else "softmax",
        decision=threshold() if binary else {"rule": "largest_probability"},
        raw=False,
        margin=binary,
    )


def _clusters(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    origin = type(fitted).__name__
    column = flow.vector(origin, features)
    outputs.single(
        flow,
        origin,
        column,
        "cluster",
        centers=floats(fitted.cluster_centers_),
        size=len(features),
        cosine=False,
    )


def _isotonic(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    if fitted.out_of_bounds == "raise":
        raise refused(at, "it raises errors outside its bounds", "set `out_of_bounds` to 'nan' or 'clip'")
    origin = type(fitted).__name__
    at_, to = np.asarray(fitted.X_thresholds_), np.asarray(fitted.y_thresholds_)
    bounded = fitted.out_of_bounds == "nan" and len(at_) > 1
    outputs.single(
        flow,
        origin,
        flow.vector(origin, features),
        "isotonic",
        boundaries=floats(at_),
        predictions=floats(to),
        slot=0,
        bounded=bounded,
    )


#: The function that compiles each predictor.
PREDICTORS: dict[str, Callable[[Flow, Any, Features, Outputs, str], None]] = {
    "MLPClassifier": _perceptron,
    "MLPRegressor": _perceptron,
    "KMeans": _clusters,
    "MiniBatchKMeans": _clusters,
    "IsotonicRegression": _isotonic,
}
