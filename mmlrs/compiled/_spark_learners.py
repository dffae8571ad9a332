"""Fitted learners of Spark ML as native stages."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.compiled._definition import floats, step
from mmlrs.compiled._saved import Saved
from mmlrs.compiled._spark_trees import forest
from mmlrs.compiled._values import CannotCompile, Reader, dense, matrix, value

__all__ = ["LEARNERS"]

#: The model of a classifier: its definition, whether its value is a margin, and how probabilities follow.
Raw = tuple[dict[str, Any], bool, str]


def _linear(coefficients: Any, intercepts: Any) -> dict[str, Any]:
    rows = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
    return {
        "kind": "linear",
        "coefficients": floats(rows),
        "intercepts": floats(np.atleast_1d(intercepts)),
        "size": int(rows.shape[1]),
    }


def _logistic(model: Any, saved: Saved) -> Raw:
    rows, intercepts = matrix(model.coefficientMatrix), dense(model.interceptVector)
    margin = len(rows) == 1
    return _linear(rows, intercepts), margin, "logistic" if margin else "softmax"


def _svc(model: Any, saved: Saved) -> Raw:
    return _linear(dense(model.coefficients), model.intercept), True, "none"


def _bayes(model: Any, saved: Saved) -> Raw:
    theta, variant = matrix(model.theta), value(model, "modelType")
    definition = {
        "kind": "naive_bayes",
        "variant": variant,
        "pi": floats(dense(model.pi)),
        "theta": floats(theta),
        "sigma": floats(matrix(model.sigma) if variant == "gaussian" else []),
        "size": int(theta.shape[1]),
    }
    return definition, False, "softmax"


def _counts(nodes: pa.StructArray) -> np.ndarray[Any, Any]:
    """Return the class counts of all nodes."""
    stats = nodes.field("impurityStats")
    return np.asarray(stats.flatten().to_numpy(zero_copy_only=False), dtype=np.float64).reshape(
        len(nodes), -1
    )


def _shares(nodes: pa.StructArray) -> np.ndarray[Any, Any]:
    """Return the class shares of all nodes, zero for a node without rows."""
    counts = _counts(nodes)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.zeros_like(counts), where=totals != 0)


def _means(nodes: pa.StructArray) -> np.ndarray[Any, Any]:
    """Return the prediction of all nodes."""
    return np.asarray(nodes.field("prediction").to_numpy(zero_copy_only=False))[:, None]


def _means_and_variances(nodes: pa.StructArray) -> np.ndarray[Any, Any]:
    impurity = np.asarray(nodes.field("impurity").to_numpy(zero_copy_only=False))[:, None]
    return np.hstack([_means(nodes), impurity])


def _tree_classifier(model: Any, saved: Saved) -> Raw:
    return forest(model, saved, _counts), False, "normalize"


def _forest_classifier(model: Any, saved: Saved) -> Raw:
    return forest(model, saved, _shares), False, "normalize"


def _boosted_classifier(model: Any, saved: Saved) -> Raw:
    return forest(model, saved, _means, weights=model.treeWeights), True, "logistic_twice"


def _factorization(model: Any) -> dict[str, Any]:
    factors = matrix(model.factors)
    return {
        "kind": "factorization",
        "intercept": float(model.intercept),
        "linear": floats(dense(model.linear)),
        "factors": floats(factors),
        "factor_size": int(factors.shape[1]),
    }


def _fm_classifier(model: Any, saved: Saved) -> Raw:
    return _factorization(model), True, "logistic"


def _perceptron(model: Any, saved: Saved) -> Raw:
    layers, weights, start = [int(n) for n in model.getLayers()], dense(model.weights), 0
    parts = []
    for inputs, outputs in pairwise(layers):
        end = start + inputs * outputs
        # Spark stores the weights of a layer column by column.
        parts += [weights[start:end].reshape(inputs, outputs).T.ravel(), weights[end : end + outputs]]
        start = end + outputs
    return (
        {"kind": "perceptron", "layers": layers, "weights": floats(np.concatenate(parts))},
        False,
        "softmax",
    )


_CLASSIFIERS = {
    "LogisticRegressionModel": _logistic,
    "LinearSVCModel": _svc,
    "NaiveBayesModel": _bayes,
    "DecisionTreeClassificationModel": _tree_classifier,
    "RandomForestClassificationModel": _forest_classifier,
    "GBTClassificationModel": _boosted_classifier,
    "FMClassificationModel": _fm_classifier,
    "MultilayerPerceptronClassificationModel": _perceptron,
}

_CLASSIFIER_ROLES = {
    "rawPredictionCol": "raw",
    "probabilityCol": "probability",
    "predictionCol": "prediction",
    "leafCol": "leaf",
}


def _roles(model: Any, roles: dict[str, str]) -> tuple[list[str], list[str]]:
    """Return the roles and the names of the columns that a model adds. An empty name stands for no column."""
    named = {role: value(model, param) for param, role in roles.items()}
    named = {role: name for role, name in named.items() if name}
    if type(model).__name__.startswith("DecisionTree") and "leaf" in named:
        named["leaf_number"] = named.pop("leaf")
    return list(named), list(named.values())


def _classifier(model: Any, saved: Saved) -> list[Any]:
    definition, margin, probabilities = _CLASSIFIERS[type(model).__name__](model, saved)
    roles, names = _roles(model, _CLASSIFIER_ROLES)
    if not names:
        return []
    decision = _decision(model, margin=margin, probabilities=probabilities, on_raw="raw" in roles)
    return [
        step(
            type(model).__name__,
            [model.getOrDefault("featuresCol")],
            names,
            "classifier",
            roles=roles,
            model=definition,
            margin=margin,
            probabilities=probabilities,
            decision=decision,
        )
    ]


def _decision(model: Any, *, margin: bool, probabilities: str, on_raw: bool) -> dict[str, Any]:
    """Return the rule that chooses the class, which in Spark depends on the columns that the model adds."""
    kind = type(model).__name__
    if kind == "LinearSVCModel":
        return {"rule": "raw_above", "threshold": floats([model.getThreshold()])}
    if kind == "LogisticRegressionModel" and margin:
        threshold = model.getThreshold()
        if not on_raw:
            return {"rule": "probability_above", "threshold": floats([threshold])}
        if threshold in (0.0, 1.0):
            return {"rule": "raw_above", "threshold": floats([-math.inf if threshold == 0.0 else math.inf])}
        return {"rule": "raw_above", "threshold": floats([math.log(threshold / (1.0 - threshold))])}
    thresholds = value(model, "thresholds")
    if thresholds:
        return {"rule": "scaled", "thresholds": floats(thresholds)}
    on_probability = bool(value(model, "probabilityCol")) and not on_raw and probabilities != "none"
    return {"rule": "largest_probability" if on_probability else "largest_raw"}


def _one_vs_rest(model: Any, saved: Saved) -> list[Any]:
    models = []
    for number, inner in enumerate(model.models):
        read = _CLASSIFIERS.get(type(inner).__name__)
        if read is None:
            raise CannotCompile(f"its model {number} is a {type(inner).__name__}, which cannot be compiled")
        models.append(read(inner, saved)[0])
    roles, names = _roles(model, {"rawPredictionCol": "raw", "predictionCol": "prediction"})
    return [
        step(
            "OneVsRestModel",
            [model.getOrDefault("featuresCol")],
            names,
            "classifier",
            roles=roles,
            model={"kind": "one_vs_rest", "models": models},
            probabilities="none",
            decision={"rule": "largest_raw_or_none"},
        )
    ]


_REGRESSOR_ROLES = {
    "predictionCol": "prediction",
    "linkPredictionCol": "link_prediction",
    "varianceCol": "variance",
    "leafCol": "leaf",
}


def _regressor(model: Any, definition: dict[str, Any], **params: Any) -> list[Any]:
    roles, names = _roles(model, _REGRESSOR_ROLES)
    if not names:
        return []
    inputs = [model.getOrDefault("featuresCol")]
    if params.get("offset"):
        inputs.append(model.getOrDefault("offsetCol"))
    return [step(type(model).__name__, inputs, names, "regressor", roles=roles, model=definition, **params)]


def _linear_regression(model: Any, saved: Saved) -> list[Any]:
    return _regressor(model, _linear(dense(model.coefficients), model.intercept))


#: The smallest and the largest mean that a family allows, as Spark projects them.
_TINY = 1e-16
_HUGE = float(np.finfo(np.float64).max)
_BOUNDS = {
    "gaussian": (-_HUGE, _HUGE),
    "binomial": (_TINY, 1.0 - _TINY),
    "poisson": (_TINY, _HUGE),
    "gamma": (_TINY, _HUGE),
    "tweedie": (_TINY, _HUGE),
}
_LINKS = {
    "identity": "identity",
    "log": "log",
    "logit": "logit",
    "probit": "probit",
    "cloglog": "c_log_log",
    "inverse": "inverse",
    "sqrt": "sqrt",
}
_CANONICAL = {"gaussian": "identity", "binomial": "logit", "poisson": "log", "gamma": "inverse"}


def _generalized(model: Any, saved: Saved) -> list[Any]:
    family = str(value(model, "family", "gaussian")).lower()
    if family == "tweedie":
        power = value(model, "linkPower")
        power = 1.0 - value(model, "variancePower", 0.0) if power is None else power
        link: dict[str, Any] = {"kind": "power", "power": float(power)}
        variance = float(value(model, "variancePower", 0.0))
        bounds = _BOUNDS["gaussian" if variance == 0.0 else "tweedie"]
    else:
        link = {"kind": _LINKS[str(value(model, "link") or _CANONICAL[family]).lower()]}
        bounds = _BOUNDS[family]
    offset = bool(value(model, "offsetCol"))
    definition = _linear(dense(model.coefficients), model.intercept)
    return _regressor(model, definition, link=link, offset=offset, bounds=floats(bounds))


def _tree_regressor(model: Any, saved: Saved) -> list[Any]:
    values = _means_and_variances if value(model, "varianceCol") else _means
    return _regressor(model, forest(model, saved, values))


def _forest_regressor(model: Any, saved: Saved) -> list[Any]:
    return _regressor(model, forest(model, saved, _means, divisor=float(model.getNumTrees)))


def _boosted_regressor(model: Any, saved: Saved) -> list[Any]:
    return _regressor(model, forest(model, saved, _means, weights=model.treeWeights))


def _fm_regressor(model: Any, saved: Saved) -> list[Any]:
    return _regressor(model, _factorization(model))


def _isotonic(model: Any, saved: Saved) -> list[Any]:
    return [
        step(
            "IsotonicRegressionModel",
            [model.getOrDefault("featuresCol")],
            [model.getOrDefault("predictionCol")],
            "isotonic",
            boundaries=floats(dense(model.boundaries)),
            predictions=floats(dense(model.predictions)),
            slot=int(value(model, "featureIndex", 0)),
        )
    ]


def _k_means(model: Any, saved: Saved) -> list[Any]:
    centers = np.array(model.clusterCenters(), dtype=np.float64)
    cosine = value(model, "distanceMeasure") == "cosine"
    if cosine:
        centers = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    return [
        step(
            "KMeansModel",
            [model.getOrDefault("featuresCol")],
            [model.getOrDefault("predictionCol")],
            "cluster",
            centers=floats(centers),
            size=int(centers.shape[1]),
            cosine=cosine,
        )
    ]


def _mixture(model: Any, saved: Saved) -> list[Any]:
    means, roots, peaks = [], [], []
    for row in model.gaussiansDF.collect():
        root, peak = _gaussian(matrix(row["cov"]))
        means.append(dense(row["mean"]))
        roots.append(root)
        peaks.append(peak)
    roles, names = _roles(model, {"predictionCol": "prediction", "probabilityCol": "probability"})
    return [
        step(
            "GaussianMixtureModel",
            [model.getOrDefault("featuresCol")],
            names,
            "mixture",
            roles=roles,
            weights=floats(model.weights),
            means=floats(means),
            roots=floats(roots),
            peaks=floats(peaks),
            size=len(means[0]),
        )
    ]


def _gaussian(covariance: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], float]:
    """Return a root of the pseudo-inverse of a covariance, and the logarithm of the density at the mean.

    As in Spark, eigenvalues up to the machine precision times the size and the largest one count as zero.
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    size = len(eigenvalues)
    positive = eigenvalues > np.finfo(np.float64).eps * eigenvalues.max() * size
    if not positive.any():
        raise CannotCompile("a covariance matrix is zero")
    roots = np.zeros(size)
    roots[positive] = np.sqrt(1.0 / eigenvalues[positive])
    peak = -0.5 * (size * math.log(2.0 * math.pi) + float(np.log(eigenvalues[positive]).sum()))
    return roots[:, None] * vectors.T, peak


#: The readers of learners, by class.
LEARNERS: dict[str, Reader] = {
    **dict.fromkeys(_CLASSIFIERS, _classifier),
    "OneVsRestModel": _one_vs_rest,
    "LinearRegressionModel": _linear_regression,
    "GeneralizedLinearRegressionModel": _generalized,
    "DecisionTreeRegressionModel": _tree_regressor,
    "RandomForestRegressionModel": _forest_regressor,
    "GBTRegressionModel": _boosted_regressor,
    "FMRegressionModel": _fm_regressor,
    "IsotonicRegressionModel": _isotonic,
    "KMeansModel": _k_means,
    "GaussianMixtureModel": _mixture,
}
