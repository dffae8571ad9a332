"""Naive Bayes of scikit-learn. But for the Gaussian, the classes' scores are linear functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators._columns import Features, Flow
from mmlrs.compiled.estimators._outputs import Outputs, linear
from mmlrs.compiled.estimators._sklearn_features import arithmetic

__all__ = ["PREDICTORS"]


def _add(flow: Flow, fitted: Any, features: Features, outputs: Outputs, model: dict[str, Any]) -> None:
    origin = type(fitted).__name__
    outputs.classifier(
        flow,
        origin,
        flow.vector(origin, features),
        model,
        classes=fitted.classes_,
        probabilities="softmax",
        decision={"rule": "largest_raw"},
    )


def _multinomial(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    model = linear(fitted.feature_log_prob_, fitted.class_log_prior_, len(features))
    _add(flow, fitted, features, outputs, model)


def _complement(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    weights = fitted.feature_log_prob_
    priors = fitted.class_log_prior_ if len(fitted.classes_) == 1 else np.zeros(len(weights))
    _add(flow, fitted, features, outputs, linear(weights, priors, len(features)))


def _bernoulli(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    if fitted.binarize is not None:
        features = arithmetic(flow, fitted, features, "finite", ("above", fitted.binarize))
    weights = fitted.feature_log_prob_
    absent = np.log(1 - np.exp(weights))
    model = linear(weights - absent, fitted.class_log_prior_ + absent.sum(axis=1), len(features))
    _add(flow, fitted, features, outputs, model)


def _gaussian(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    constant = 0.5 * len(features) * np.log(2 * np.pi)
    model = {
        "kind": "naive_bayes",
        "variant": "gaussian",
        "pi": floats(np.log(fitted.class_prior_) - constant),
        "theta": floats(fitted.theta_),
        "sigma": floats(fitted.var_),
        "size": len(features),
    }
    _add(flow, fitted, features, outputs, model)


#: The function that compiles each predictor.
PREDICTORS: dict[str, Callable[[Flow, Any, Features, Outputs, str], None]] = {
    "GaussianNB": _gaussian,
    "MultinomialNB": _multinomial,
    "ComplementNB": _complement,
    "BernoulliNB": _bernoulli,
}
