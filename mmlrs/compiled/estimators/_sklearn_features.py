"""Transformers of numbers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats, ints
from mmlrs.compiled.estimators._columns import Features, Flow, refused, vector_slots

__all__ = ["TRANSFORMERS", "arithmetic"]


def arithmetic(
    flow: Flow, fitted: Any, features: Features, accepts: str, *operations: tuple[str, Any]
) -> Features:
    """Add operations on each slot, and return the results.

    Parameters
    ----------
    flow, fitted, features
        The steps so far, the transformer, and what it reads.
    accepts : str
        What the transformer accepts: see `Flow.vector`.
    *operations : tuple of str and array
        The name of each operation, and its numbers: one for all slots or one for each.
    """
    size = len(features)
    full = [
        {"op": name, "values": floats(np.broadcast_to(np.asarray(numbers, dtype=np.float64), size))}
        for name, numbers in operations
    ]
    return vector_slots(flow.vector(type(fitted).__name__, features, accepts, full), size)


def _standard_scaler(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    operations = []
    if fitted.with_mean:
        operations.append(("subtract", fitted.mean_))
    if fitted.with_std:
        operations.append(("divide", fitted.scale_))
    return arithmetic(flow, fitted, features, "nan", *operations)


def _robust_scaler(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    operations = []
    if fitted.with_centering:
        operations.append(("subtract", fitted.center_))
    if fitted.with_scaling:
        operations.append(("divide", fitted.scale_))
    return arithmetic(flow, fitted, features, "nan", *operations)


def _min_max_scaler(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    operations = [("multiply", fitted.scale_), ("add", fitted.min_)]
    low, high = fitted.feature_range
    limits = [("at_least", low), ("at_most", high)] if fitted.clip else []
    return arithmetic(flow, fitted, features, "nan", *operations, *limits)


def _max_abs_scaler(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    limits = [("at_least", -1.0), ("at_most", 1.0)] if getattr(fitted, "clip", False) else []
    return arithmetic(flow, fitted, features, "nan", ("divide", fitted.scale_), *limits)


def _binarizer(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    return arithmetic(flow, fitted, features, "finite", ("above", fitted.threshold))


def _normalizer(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    column = flow.vector(type(fitted).__name__, features)
    p = {"l1": 1.0, "l2": 2.0, "max": np.inf}[fitted.norm]
    return flow.marked(
        flow.vectors(type(fitted).__name__, column, len(features), "normalize", p=floats([p])), "finite"
    )


def _polynomial(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    column = flow.vector(type(fitted).__name__, features)
    slots = [np.repeat(np.arange(len(powers)), powers) for powers in fitted.powers_]
    return flow.vectors(
        type(fitted).__name__,
        column,
        len(slots),
        "products",
        counts=ints([len(product) for product in slots]),
        slots=ints(np.concatenate(slots)),
        size=len(features),
    )


def _pca(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    origin = type(fitted).__name__
    column = flow.vector(origin, features)
    components = np.asarray(fitted.components_)
    done = flow.vectors(
        origin, column, len(components), "project", matrix=floats(components), size=len(features)
    )
    mean = getattr(fitted, "mean_", None)
    operations = [] if mean is None else [("subtract", components @ mean)]
    if getattr(fitted, "whiten", False):
        scale = np.sqrt(fitted.explained_variance_)
        operations.append(("divide", np.maximum(scale, np.finfo(scale.dtype).eps)))
    return arithmetic(flow, fitted, done, "any", *operations) if operations else done


def _selector(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Take the selected features. The selectors of scikit-learn that accept NaN pass it on."""
    kept = [features[index] for index in fitted.get_support(indices=True)]
    if type(fitted).__name__ not in ("VarianceThreshold", "SelectFromModel", "RFE", "RFECV"):
        # These read all features, and refuse NaN in those that they drop too.
        column = flow.vector(type(fitted).__name__, features)
        indices = fitted.get_support(indices=True)
        if not len(indices):
            return []
        done = flow.vectors(type(fitted).__name__, column, len(kept), "slice", indices=ints(indices))
        return flow.marked(done, "finite")
    return kept


def _function(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    if fitted.func is not None:
        raise refused(
            at,
            "it runs a Python function",
            "apply the function before, or use a stage such as UDFTransformer",
        )
    return features


def _imputer(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Fill missing values: in columns of strings if the imputer was fitted on strings, else in vectors."""
    statistics = np.asarray(fitted.statistics_)
    if any(isinstance(value, str) for value in statistics.tolist()):
        return _text_imputer(flow, fitted, features, at)
    values = statistics.astype(np.float64)
    missing = fitted.missing_values
    missing = (
        np.nan if missing is None or not isinstance(missing, int | float | np.number) else float(missing)
    )
    origin = type(fitted).__name__
    kept = (
        np.arange(len(values))
        if getattr(fitted, "keep_empty_features", False)
        else np.flatnonzero(~np.isnan(values))
    )
    flagged = fitted.indicator_.features_ if fitted.add_indicator else np.array([], dtype=int)
    accepts = "nan" if np.isnan(missing) else "finite"
    column = flow.vector(origin, features, accepts)
    size = len(kept) + len(flagged)
    done = flow.vectors(
        origin,
        column,
        size,
        "fill",
        missing=floats([missing]),
        values=floats(values),
        kept=ints(kept),
        indicators=ints(flagged),
    )
    return flow.marked(done, "finite")


def _text_imputer(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    values = np.asarray(fitted.statistics_, dtype=object).tolist()
    if not all(isinstance(value, str) for value in values):
        raise refused(
            at, "it fills strings and numbers, or columns without a value", "use an imputer for each type"
        )
    if fitted.add_indicator:
        raise refused(
            at,
            "it adds indicators beside strings",
            "use a MissingIndicator on numbers, or no `add_indicator`",
        )
    if any(slot.index is not None for slot in features):
        raise refused(at, "it fills strings, and vectors hold numbers", "name the columns with `inputCols`")
    origin, outputs = type(fitted).__name__, []
    for _ in features:
        outputs.append(flow.name(origin))
    params = {"missing": fitted.missing_values} if isinstance(fitted.missing_values, str) else {}
    flow.add(origin, [slot.column for slot in features], outputs, "fill_text", values=values, **params)
    return [type(features[0])(name) for name in outputs]


#: The function that compiles each transformer.
TRANSFORMERS: dict[str, Callable[[Flow, Any, Features, str], Features]] = {
    "StandardScaler": _standard_scaler,
    "RobustScaler": _robust_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MaxAbsScaler": _max_abs_scaler,
    "Binarizer": _binarizer,
    "Normalizer": _normalizer,
    "PolynomialFeatures": _polynomial,
    "PCA": _pca,
    "TruncatedSVD": _pca,
    "SimpleImputer": _imputer,
    "FunctionTransformer": _function,
    **dict.fromkeys(
        (
            "VarianceThreshold",
            "SelectKBest",
            "SelectPercentile",
            "SelectFpr",
            "SelectFdr",
            "SelectFwe",
            "GenericUnivariateSelect",
            "SelectFromModel",
            "RFE",
            "RFECV",
            "SequentialFeatureSelector",
        ),
        _selector,
    ),
}
