"""Boosted trees of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlrs.compiled.estimators._categories import encoded
from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._outputs import Outputs, threshold
from mmlrs.compiled.estimators._sklearn_categories import ordinal_codes
from mmlrs.compiled.estimators._sklearn_trees import add_tree
from mmlrs.compiled.estimators._trees import LEFT, RIGHT, Trees

__all__ = ["PREDICTORS"]

#: The links of losses of regression that are not the identity.
_LOG_LOSSES = ("poisson", "gamma")
#: The largest number below zero: what exceeds it is at least zero.
_BELOW_ZERO = -5e-324


def _classifier(
    flow: Flow,
    fitted: Any,
    column: str,
    outputs: Outputs,
    model: dict[str, Any],
    trees_per_round: int,
    two: str,
    decision: dict[str, Any],
) -> None:
    binary = trees_per_round == 1
    outputs.classifier(
        flow,
        type(fitted).__name__,
        column,
        model,
        classes=fitted.classes_,
        probabilities=two if binary else "softmax",
        decision=decision if binary else {"rule": "largest_raw"},
        margin=binary,
    )


def _gradient_boosting(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    start = fitted.init_
    is_plain = isinstance(start, str) or type(start).__name__ in ("DummyClassifier", "DummyRegressor")
    if not is_plain:
        raise refused(
            at,
            f"its initial estimator {type(start).__name__} is not a constant",
            "fit it with the default `init`, or with `init='zero'`",
        )
    base = fitted._raw_predict_init(np.zeros((1, len(features)), dtype=np.float32))[0]
    trees = Trees("at_most")
    for members in fitted.estimators_:
        for target, member in enumerate(members):
            add_tree(trees, member, scale=fitted.learning_rate, target=target)
    origin = type(fitted).__name__
    model = trees.model(base, len(features), single_inputs=True)
    column = flow.vector(origin, features, "single")
    if not hasattr(fitted, "classes_"):
        outputs.regressor(flow, origin, column, model)
        return
    two = "logistic_twice" if fitted.loss == "exponential" else "logistic"
    _classifier(flow, fitted, column, outputs, model, len(base), two, threshold(_BELOW_ZERO))


def _histogram_boosting(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    origin = type(fitted).__name__
    if not hasattr(fitted, "_predictors"):
        raise refused(at, "it is not fitted", "call `fit` first")
    features = _preprocessed(flow, fitted, features, at)
    base = np.ravel(fitted._baseline_prediction)
    trees, sets = Trees("at_most"), _known_categories(fitted)
    for members in fitted._predictors:
        for target, member in enumerate(members):
            _add_histogram_tree(trees, member, sets, target)
    model = trees.model(base, len(features))
    column = flow.vector(origin, features, "any")
    if hasattr(fitted, "classes_"):
        _classifier(flow, fitted, column, outputs, model, len(base), "logistic", threshold())
        return
    link = "log" if fitted.loss in _LOG_LOSSES else "identity"
    outputs.regressor(flow, origin, column, model, link)


def _preprocessed(flow: Flow, fitted: Any, features: Features, at: str) -> Features:
    """Return the features as the trees read them: the encoded categories first, then the numbers."""
    before = getattr(fitted, "_preprocessor", None)
    if before is None:
        return features
    mask = np.asarray(before.transformers_[0][2])
    categories = [slot for slot, chosen in zip(features, mask) if chosen]
    numbers = [slot for slot, chosen in zip(features, mask) if not chosen]
    if not categories:
        return numbers
    encoder = before.named_transformers_["encoder"]
    codes = [ordinal_codes(encoder, index, at) for index in range(len(categories))]
    for code in codes:
        code.missing = np.nan if code.missing is None else code.missing
    done = encoded(flow, type(fitted).__name__, categories, codes, at, indicators=False)
    return done + numbers


def _known_categories(fitted: Any) -> dict[int, set[int]]:
    """Return the categories of each categorical feature that the fit knew."""
    mapper = fitted._bin_mapper
    if mapper.is_categorical_ is None:
        return {}
    return {
        int(index): {int(value) for value in mapper.bin_thresholds_[index]}
        for index in np.flatnonzero(mapper.is_categorical_)
    }


def _add_histogram_tree(trees: Trees, member: Any, known: dict[int, set[int]], target: int) -> None:
    nodes = member.nodes
    is_leaf = nodes["is_leaf"].astype(bool)
    goes_left = nodes["missing_go_to_left"].astype(bool)
    sets = np.full(len(nodes), -1)
    for place in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~is_leaf):
        left = _members(member.raw_left_cat_bitsets[nodes["bitset_idx"][place]])
        # Unknown categories go where missing values go, and the others where their set says.
        right = known[int(nodes["feature_idx"][place])] - left
        sets[place] = (
            trees.add_set(sorted(right), left=False)
            if goes_left[place]
            else trees.add_set(sorted(left), left=True)
        )
    trees.add(
        features=np.where(is_leaf, -1, nodes["feature_idx"].astype(np.int64)),
        thresholds=nodes["num_threshold"],
        left=nodes["left"],
        right=nodes["right"],
        values=nodes["value"][is_leaf],
        missing=np.where(goes_left, LEFT, RIGHT),
        categories=sets,
        target=target,
    )


def _members(bits: NDArray[Any]) -> set[int]:
    """Return the numbers whose bit is set in words of 32 bits."""
    return {
        32 * word + bit for word, value in enumerate(bits.tolist()) for bit in range(32) if value >> bit & 1
    }


#: The function that compiles each predictor.
PREDICTORS: dict[str, Callable[[Flow, Any, Features, Outputs, str], None]] = {
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _histogram_boosting,
    "HistGradientBoostingRegressor": _histogram_boosting,
}
