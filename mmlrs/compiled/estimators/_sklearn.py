"""Estimators of scikit-learn: pipelines, columns, and which function compiles which class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats
from mmlrs.compiled.estimators import (
    _sklearn_bayes,
    _sklearn_boosting,
    _sklearn_categories,
    _sklearn_features,
    _sklearn_linear,
    _sklearn_others,
    _sklearn_trees,
)
from mmlrs.compiled.estimators._columns import Features, Flow, refused, vector_slots
from mmlrs.compiled.estimators._outputs import Outputs

__all__ = ["PREDICTORS", "TRANSFORMERS", "names", "predict", "predictor_of", "transformed", "unwrapped"]

#: Classes that search for an estimator and keep the best.
_SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")

Transformer = Callable[[Flow, Any, Features, str], Features]
Predictor = Callable[[Flow, Any, Features, Outputs, str], None]


def unwrapped(fitted: Any) -> Any:
    """Return the estimator that a search found best."""
    while type(fitted).__name__ in _SEARCHES:
        if not hasattr(fitted, "best_estimator_"):
            raise refused(type(fitted).__name__, "it has no best estimator", "fit it, with `refit`")
        fitted = fitted.best_estimator_
    return fitted


def names(fitted: Any, others: Callable[[Any], tuple[list[str] | None, int]]) -> tuple[list[str] | None, int]:
    """Return the names of the features, if the fit knew them, and their number."""
    fitted = unwrapped(fitted)
    if not _is_sklearn(fitted):
        return others(fitted)
    if type(fitted).__name__ == "Pipeline":
        steps = [step for _, step in fitted.steps if not _is_passed(step)]
        if steps:
            return others(steps[0])
    known = getattr(fitted, "feature_names_in_", None)
    size = getattr(fitted, "n_features_in_", None)
    if size is None and type(fitted).__name__ == "IsotonicRegression" and hasattr(fitted, "X_thresholds_"):
        return None, 1
    if size is None:
        raise refused(
            type(fitted).__name__, "it is not fitted, or does not know its features", "call `fit` first"
        )
    return (None if known is None else [str(name) for name in known]), int(size)


def predictor_of(flow: Flow, fitted: Any, features: Features, at: str) -> tuple[Any, Features, str]:
    """Add the transformers of nested pipelines; return the predictor at their end, what it reads, and where it stands."""
    while True:
        fitted = unwrapped(fitted)
        if type(fitted).__name__ != "Pipeline" or not _is_sklearn(fitted):
            return fitted, features, at
        *steps, last = _steps(fitted, at)
        for step, place in steps:
            features = transformed(flow, step, features, place)
        fitted, at = last


def predict(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    """Add the steps of a predictor of scikit-learn."""
    kind = type(fitted).__name__
    if not _is_sklearn(fitted) or kind not in PREDICTORS:
        raise _unknown(fitted, at)
    _check_fitted(fitted, at)
    PREDICTORS[kind](flow, fitted, features, outputs, at)


def transformed(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Add the steps of a transformer and return the features that it returns."""
    if _is_passed(fitted):
        return features
    fitted = unwrapped(fitted)
    _check_known(fitted, at)
    _check_fitted(fitted, at)
    size = getattr(fitted, "n_features_in_", len(features))
    if size != len(features):
        raise refused(at, f"it was fitted on {size} features and follows steps that return {len(features)}")
    return TRANSFORMERS[type(fitted).__name__](flow, fitted, features, at)


def _check_known(fitted: Any, at: str) -> None:
    if not _is_sklearn(fitted) or type(fitted).__name__ not in TRANSFORMERS:
        raise _unknown(fitted, at)


def _is_sklearn(fitted: Any) -> bool:
    return type(fitted).__module__.split(".")[0] == "sklearn"


def _is_passed(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def _unknown(fitted: Any, at: str) -> Exception:
    kind, module = type(fitted).__name__, type(fitted).__module__
    if not _is_sklearn(fitted):
        return refused(at, f"mmlrs does not know the class {module}.{kind}", "take one that the guide lists")
    return refused(at, f"mmlrs has no kernel for {kind} at this place", "take a class that the guide lists")


def _check_fitted(fitted: Any, at: str) -> None:
    """Refuse an estimator without fitted attributes. A few transformers have only the number of features."""
    fit = [name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")]
    if not fit and type(fitted).__name__ not in ("Pipeline", "FeatureUnion", "FunctionTransformer"):
        raise refused(at, "it is not fitted", "call `fit` first")


def _steps(pipeline: Any, at: str) -> list[tuple[Any, str]]:
    """Return the steps of a pipeline, and where each stands."""
    return [
        (step, f"step {number}, `{name}`, of the {at}" + ("" if _is_passed(step) else f": {_kind(step)}"))
        for number, (name, step) in enumerate(pipeline.steps, start=1)
    ]


def _kind(step: Any) -> str:
    return step if isinstance(step, str) else type(step).__name__


def _pipeline(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    for step, place in _steps(fitted, at):
        features = transformed(flow, step, features, place)
    return features


def _column_transformer(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Add the steps of each transformer of a `ColumnTransformer`."""
    known = getattr(fitted, "feature_names_in_", None)
    labels = [None] * len(features) if known is None else list(known)
    weights = fitted.transformer_weights or {}
    done: Features = []
    for name, step, columns in fitted.transformers_:
        place = f"transformer `{name}` of the {at}: {_kind(step)}"
        if isinstance(step, str) and step == "drop":
            continue
        if not _is_passed(step):
            _check_known(unwrapped(step), place)
        chosen = [features[index] for index in _indices(columns, labels, place)]
        if not chosen:
            continue
        part = transformed(flow, step, chosen, place)
        done += _weighted(flow, part, weights.get(name), type(fitted).__name__)
    return done


def _indices(columns: Any, labels: list[Any], at: str) -> list[int]:
    """Return the numbers of the columns that a transformer reads: by names, numbers, a slice or a mask."""
    if isinstance(columns, slice):
        return _of_slice(columns, labels)
    if isinstance(columns, str):
        raise refused(
            at, f"it reads the column {columns!r} as a list of values", f"name it [{columns!r}] in the fit"
        )
    chosen = (
        [columns]
        if isinstance(columns, int | np.integer) and not isinstance(columns, bool)
        else list(columns)
    )
    if chosen and all(isinstance(item, bool | np.bool_) for item in chosen):
        return [int(index) for index in np.flatnonzero(np.array(chosen))]
    count = len(labels)
    return [labels.index(item) if isinstance(item, str) else int(item) % count for item in chosen]


def _of_slice(columns: slice, labels: list[Any]) -> list[int]:
    start, stop = columns.start, columns.stop
    if isinstance(start, str) or isinstance(stop, str):
        # A slice of names includes its end, as in pandas.
        start = labels.index(start) if isinstance(start, str) else start
        stop = labels.index(stop) + 1 if isinstance(stop, str) else stop
    return list(range(len(labels))[slice(start, stop, columns.step)])


def _weighted(flow: Flow, features: Features, weight: Any, origin: str) -> Features:
    """Return features multiplied by the weight of their transformer."""
    if weight is None or not features:
        return features
    operation = {"op": "multiply", "values": floats([weight] * len(features))}
    return vector_slots(flow.vector(origin, features, "any", [operation]), len(features))


def _feature_union(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    weights = fitted.transformer_weights or {}
    done: Features = []
    for name, step in fitted.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        part = transformed(flow, step, features, f"transformer `{name}` of the {at}: {_kind(step)}")
        done += _weighted(flow, part, weights.get(name), type(fitted).__name__)
    return done


#: The function that compiles each transformer.
TRANSFORMERS: dict[str, Transformer] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _feature_union,
    **_sklearn_features.TRANSFORMERS,
    **_sklearn_categories.TRANSFORMERS,
}

#: The function that compiles each predictor.
PREDICTORS: dict[str, Predictor] = {
    **_sklearn_linear.PREDICTORS,
    **_sklearn_bayes.PREDICTORS,
    **_sklearn_trees.PREDICTORS,
    **_sklearn_boosting.PREDICTORS,
    **_sklearn_others.PREDICTORS,
}
