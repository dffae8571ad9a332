"""Linear models of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._outputs import Outputs, linear, threshold

__all__ = ["PREDICTORS"]

#: Regressors whose prediction is a linear function.
_REGRESSORS = (
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "Lars",
    "LarsCV",
    "ElasticNet",
    "ElasticNetCV",
    "BayesianRidge",
    "ARDRegression",
    "HuberRegressor",
    "QuantileRegressor",
    "TheilSenRegressor",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "SGDRegressor",
    "PassiveAggressiveRegressor",
    "LinearSVR",
)
#: Classifiers that have no probabilities.
_SCORED = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "Perceptron", "PassiveAggressiveClassifier")


def _coefficients(fitted: Any, features: Features) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return a row of coefficients per function, and the intercepts."""
    coefficients = fitted.coef_
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    rows = np.asarray(coefficients, dtype=np.float64).reshape(-1, len(features))
    intercepts = np.broadcast_to(np.ravel(np.asarray(fitted.intercept_, dtype=np.float64)), len(rows))
    return rows, intercepts


def _regressor(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    origin = type(fitted).__name__
    rows, intercepts = _coefficients(fitted, features)
    if len(rows) != 1:
        raise refused(at, f"it predicts {len(rows)} outputs", "compile a model of one output")
    link = "identity"
    if origin in ("PoissonRegressor", "GammaRegressor"):
        link = "log"
    elif origin == "TweedieRegressor":
        is_log = fitted.link == "log" or (fitted.link == "auto" and fitted.power > 0)
        link = "log" if is_log else "identity"
    outputs.regressor(
        flow, origin, flow.vector(origin, features), linear(rows, intercepts, len(features)), link
    )


def _ransac(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    inner = fitted.estimator_
    if type(inner).__name__ not in _REGRESSORS:
        raise refused(at, f"its estimator {type(inner).__name__} is not a linear regressor")
    _regressor(flow, inner, features, outputs, at)


def _classifier(
    flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str, probabilities: str, several: str
) -> None:
    """Add a linear classifier, with the functions that give the probabilities of two and of several classes."""
    origin = type(fitted).__name__
    rows, intercepts = _coefficients(fitted, features)
    classes = np.asarray(fitted.classes_)
    if classes.ndim != 1 or len(rows) not in (1, len(classes)):
        raise refused(at, "it predicts several labels per row", "compile a model of one label")
    binary = len(rows) == 1
    outputs.classifier(
        flow,
        origin,
        flow.vector(origin, features),
        linear(rows, intercepts, len(features)),
        classes=classes,
        probabilities=probabilities if binary else several,
        decision=threshold() if binary else {"rule": "largest_raw"},
        margin=binary,
    )


def _logistic(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    # Versions before 1.8 have the param; "auto" is one against the rest for liblinear and for two classes.
    scheme = getattr(fitted, "multi_class", "auto")
    two, several = "logistic", "softmax"
    if scheme in ("ovr", "warn") or (scheme == "auto" and fitted.solver == "liblinear"):
        several = "one_vs_rest"
    elif scheme == "multinomial":
        two = "logistic_twice"
    _classifier(flow, fitted, features, outputs, at, two, several)


def _sgd(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    if fitted.loss == "modified_huber" and outputs.probability is not None:
        raise refused(
            at,
            "mmlrs has no kernel for the probabilities of its loss",
            "set `probabilityCol=None` to predict only",
        )
    has_them = fitted.loss == "log_loss"
    _classifier(
        flow,
        fitted,
        features,
        outputs,
        at,
        "logistic" if has_them else "none",
        "one_vs_rest" if has_them else "none",
    )


def _scored(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    _classifier(flow, fitted, features, outputs, at, "none", "none")


def _discriminant(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    _classifier(flow, fitted, features, outputs, at, "logistic", "softmax")


#: The function that compiles each predictor.
PREDICTORS: dict[str, Callable[[Flow, Any, Features, Outputs, str], None]] = {
    **dict.fromkeys(_REGRESSORS, _regressor),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor", "TweedieRegressor"), _regressor),
    "RANSACRegressor": _ransac,
    "LogisticRegression": _logistic,
    "LogisticRegressionCV": _logistic,
    "LinearDiscriminantAnalysis": _discriminant,
    "SGDClassifier": _sgd,
    **dict.fromkeys(_SCORED, _scored),
}
