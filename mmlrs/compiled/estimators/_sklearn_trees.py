"""Trees and forests of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mmlrs.compiled.estimators._columns import Features, Flow, refused
from mmlrs.compiled.estimators._outputs import Outputs
from mmlrs.compiled.estimators._trees import LEFT, RIGHT, Trees

__all__ = ["PREDICTORS", "add_tree", "of_one_output"]


def add_tree(trees: Trees, fitted: Any, *, scale: float = 1.0, target: int = 0) -> None:
    """Add a fitted tree, with the values of its leaves times `scale`."""
    tree = fitted.tree_
    values = np.asarray(tree.value, dtype=np.float64)[:, 0, :]
    if hasattr(fitted, "classes_"):
        # Before 1.3 the leaves hold counts; their shares are the probabilities.
        sums = values.sum(axis=1, keepdims=True)
        values = values if np.allclose(sums, 1.0) else values / sums
    left = np.asarray(tree.children_left)
    is_leaf = left < 0
    goes_left = getattr(tree, "missing_go_to_left", None)
    trees.add(
        features=np.where(is_leaf, -1, tree.feature),
        thresholds=tree.threshold,
        left=left,
        right=tree.children_right,
        values=values[is_leaf] * scale,
        missing=None if goes_left is None else np.where(np.asarray(goes_left) != 0, LEFT, RIGHT),
        target=target,
    )


def of_one_output(fitted: Any, at: str) -> None:
    """Refuse a model of several outputs."""
    if getattr(fitted, "n_outputs_", 1) != 1:
        raise refused(at, f"it predicts {fitted.n_outputs_} outputs", "compile a model of one output")


def _input(flow: Flow, fitted: Any, features: Features) -> str:
    """Return the vectors that trees read: they fit single precision, and may contain NaN where the criterion allows it."""
    allows = True
    if hasattr(fitted, "__sklearn_tags__"):
        allows = bool(fitted.__sklearn_tags__().input_tags.allow_nan)
    return flow.vector(type(fitted).__name__, features, "single_nan" if allows else "single")


def _trees(flow: Flow, fitted: Any, features: Features, outputs: Outputs, at: str) -> None:
    """Add a tree, or the mean of the trees of a forest."""
    of_one_output(fitted, at)
    members = fitted.estimators_ if hasattr(fitted, "estimators_") else [fitted]
    trees, column = Trees("at_most"), _input(flow, fitted, features)
    for member in members:
        add_tree(trees, member)
    classes = getattr(fitted, "classes_", None)
    width = 1 if classes is None else len(classes)
    model = trees.model(np.zeros(width), len(features), width=width, divisor=len(members), single_inputs=True)
    if classes is None:
        outputs.regressor(flow, type(fitted).__name__, column, model)
        return
    outputs.classifier(
        flow,
        type(fitted).__name__,
        column,
        model,
        classes=classes,
        probabilities="raw",
        decision={"rule": "largest_probability"},
        raw=False,
    )


#: The function that compiles each predictor.
PREDICTORS: dict[str, Callable[[Flow, Any, Features, Outputs, str], None]] = dict.fromkeys(
    (
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreeClassifier",
        "ExtraTreeRegressor",
        "RandomForestClassifier",
        "RandomForestRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
    ),
    _trees,
)
