"""The JSON model of XGBoost: its version, its trees, and the categories of data frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlrs.compiled.estimators._columns import refused
from mmlrs.compiled.estimators._dumps import check_count, reading
from mmlrs.compiled.estimators._trees import LEFT, RIGHT, Trees
from mmlrs.errors import ModelLoadError

__all__ = ["Parsed", "parse"]

_NAME = "the JSON model of XGBoost"
#: The major versions of XGBoost whose models are known.
_VERSIONS = (1, 2, 3)
#: The objectives whose start is given as a probability, or as a mean with a log link.
_LOGIT = ("binary:logistic", "reg:logistic")
_LOG = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


@dataclass
class Parsed:
    """A model."""

    learner: dict[str, Any]

    @property
    def objective(self) -> str:
        """The name of the objective."""
        return str(self.learner["objective"]["name"])

    @property
    def size(self) -> int:
        """The number of features."""
        return int(self.learner["learner_model_param"]["num_feature"])

    @property
    def names(self) -> list[str] | None:
        """The names of the features, if the fit knew them."""
        known = self.learner.get("feature_names") or None
        return None if known is None else [str(name) for name in known]

    @property
    def outputs(self) -> int:
        """The number of raw values."""
        params = self.learner["learner_model_param"]
        return max(int(params.get("num_class", 0)), int(params.get("num_target", 1)), 1)

    @property
    def booster(self) -> dict[str, Any]:
        """The boosted model, inside the wrapper of `dart`."""
        booster = self.learner["gradient_booster"]
        return dict(booster.get("gbtree", booster))

    def base(self) -> NDArray[np.float32]:
        """Return the start of each sum, through the link."""
        given = self.learner["learner_model_param"]["base_score"]
        # Before 3.1 it is one number.
        scores = np.asarray(json.loads(given), dtype=np.float32).ravel()
        start = scores.astype(np.float64)
        if self.objective in _LOGIT:
            odds = np.float32(1) / scores - np.float32(1)
            start = -np.log(odds.astype(np.float64))
        elif self.objective in _LOG:
            start = np.log(start)
        return np.broadcast_to(start.astype(np.float32), self.outputs)

    def forest(self, rounds: int | None, at: str) -> Trees:
        """Return the trees of the first rounds, None for all."""
        model = self.booster["model"]
        weights = self.learner["gradient_booster"].get("weight_drop")
        trees, groups = model["trees"], model["tree_info"]
        if rounds is not None:
            bounds = model.get("iteration_indptr")
            per_round = int(model["gbtree_model_param"].get("num_parallel_tree", 1)) * self.outputs
            last = rounds * per_round if bounds is None else bounds[min(rounds, len(bounds) - 1)]
            trees = trees[:last]
        forest = Trees("below")
        for number, tree in enumerate(trees):
            with reading(f"{_NAME}, tree {number},"):
                weight = 1.0 if weights is None else weights[number]
                _add(forest, tree, int(groups[number]), np.float32(weight), at)
        return forest

    def levels(self) -> dict[int, list[Any]]:
        """Return the categories of the columns that were categories of a data frame."""
        cats = self.booster.get("model", {}).get("cats") or {}
        found = {}
        for index, encoded in enumerate(cats.get("enc", [])):
            values = encoded.get("values", [])
            if not values:
                continue
            if "offsets" in encoded:
                text, bounds = bytes(value & 0xFF for value in values), encoded["offsets"]
                found[index] = [text[a:b].decode() for a, b in pairwise(bounds)]
            else:
                found[index] = list(values)
        return found


def parse(content: bytes) -> Parsed:
    """Return a parsed model.

    Raises
    ------
    ModelLoadError
        The model is damaged or has an unknown version.
    """
    with reading(_NAME):
        document = json.loads(content)
        version = document["version"]
        if int(version[0]) not in _VERSIONS:
            raise ModelLoadError(
                f"from_estimator: {_NAME} has version {'.'.join(map(str, version)):.20}; mmlrs knows versions"
                f" {_VERSIONS[0]} to {_VERSIONS[-1]}"
            )
        parsed = Parsed(document["learner"])
        check_count(parsed.size, "features")
        check_count(parsed.outputs, "outputs")
        if parsed.names is not None and len(parsed.names) != parsed.size:
            raise ValueError("it does not name all features")
        _ = (parsed.objective, parsed.booster["name"])
    return parsed


def _add(forest: Trees, tree: dict[str, Any], target: int, weight: np.float32, at: str) -> None:
    if int(tree["tree_param"].get("size_leaf_vector", 1) or 1) > 1:
        raise refused(at, "its leaves hold vectors", "train it with `multi_strategy='one_output_per_tree'`")
    left = np.asarray(tree["left_children"])
    is_leaf = left == -1
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    sets = np.full(len(left), -1)
    for node, first, size in zip(
        tree.get("categories_nodes", []),
        tree.get("categories_segments", []),
        tree.get("categories_sizes", []),
    ):
        # The categories of a set go right.
        sets[node] = forest.add_set(tree["categories"][first : first + size], left=False)
    forest.add(
        features=np.where(is_leaf, -1, tree["split_indices"]),
        thresholds=conditions,
        left=left,
        right=tree["right_children"],
        values=conditions[is_leaf] * weight,
        missing=np.where(np.asarray(tree["default_left"]) != 0, LEFT, RIGHT),
        categories=sets,
        target=target,
    )
