"""The text dump of LightGBM: its header, its trees, and the categories of pandas."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlrs.compiled.estimators._columns import refused
from mmlrs.compiled.estimators._dumps import check_count, reading
from mmlrs.compiled.estimators._trees import AS_ZERO, LEFT, ZERO, Trees
from mmlrs.errors import ModelLoadError

__all__ = ["Parsed", "parse"]

_NAME = "the text dump of LightGBM"
#: The versions of the dump that are known.
_VERSIONS = ("v3", "v4")
#: How a node treats missing values, by the bits of its decision type: not at all, zero, NaN.
_MISSING = (AS_ZERO, AS_ZERO | ZERO, 0)


@dataclass
class Parsed:
    """A dump."""

    #: The lines `name=value` before the trees.
    header: dict[str, str]
    trees: list[dict[str, str]]
    #: For each feature of a category column of pandas its levels.
    levels: dict[int, list[Any]]

    @property
    def size(self) -> int:
        """The number of features."""
        return int(self.header["max_feature_idx"]) + 1

    @property
    def trees_per_round(self) -> int:
        """The number of trees of a round, one for each output."""
        return int(self.header["num_tree_per_iteration"])

    def forest(self, at: str) -> Trees:
        """Return the trees."""
        forest = Trees("at_most")
        for number, tree in enumerate(self.trees):
            with reading(f"{_NAME}, tree {number},"):
                _add(forest, tree, number % self.trees_per_round, at)
        return forest


def parse(text: str) -> Parsed:
    """Return a parsed dump.

    Raises
    ------
    ModelLoadError
        The dump is damaged or has an unknown version.
    """
    body, end, rest = text.partition("\nend of trees")
    blocks = body.split("\nTree=")
    header = _pairs(blocks[0])
    version = header.get("version")
    if version is not None and version not in _VERSIONS:
        raise ModelLoadError(
            f"from_estimator: {_NAME} has version {version!r:.20}; mmlrs knows {' and '.join(_VERSIONS)}"
        )
    with reading(_NAME):
        if version is None or not end:
            raise ValueError("its version or its end is missing")
        parsed = Parsed(header, [_pairs(block) for block in blocks[1:]], _levels(rest))
        check_count(parsed.size, "features")
        if len(header["feature_names"].split(" ")) != parsed.size:
            raise ValueError("it does not name all features")
        if parsed.trees_per_round < 1 or len(parsed.trees) % parsed.trees_per_round:
            raise ValueError("its last round is incomplete")
        check_count(parsed.trees_per_round, "outputs")
    return parsed


def _pairs(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value if equals else "true" for name, equals, value in lines if name}


def _levels(rest: str) -> dict[int, list[Any]]:
    """Return the levels of the category columns of pandas, which stand at the end of a dump."""
    lines = rest.splitlines()
    found = [line.partition(":")[2] for line in lines if line.startswith("pandas_categorical:")]
    levels = json.loads(found[-1]) if found else None
    if not levels:
        return {}
    params = [line for line in lines if line.startswith("[categorical_feature:")]
    features = params[0].strip("[]").partition(":")[2].strip() if params else ""
    columns = [int(number) for number in features.split(",") if number]
    if len(columns) != len(levels):
        raise refused(
            "the LightGBM model",
            f"it was trained on {len(levels)} category columns and {len(columns)} categorical features, and its dump does not"
            " say which are which",
            "train on unordered categories only, without `categorical_feature`",
        )
    return dict(zip(columns, levels))


def _numbers(tree: dict[str, str], name: str, kind: type = float) -> NDArray[Any]:
    return np.array([kind(item) for item in tree[name].split()])


def _add(forest: Trees, tree: dict[str, str], target: int, at: str) -> None:
    if tree.get("is_linear", "0") != "0":
        raise refused(at, "its leaves are linear models", "train it without `linear_tree`")
    leaves = _numbers(tree, "leaf_value")
    count = int(tree["num_leaves"])
    if len(leaves) != count:
        raise ValueError(f"it has {len(leaves)} leaves of {count}")
    none = np.full(count, -1)
    if count == 1:
        forest.add(features=none, thresholds=[0], left=none, right=none, values=leaves, target=target)
        return
    features, thresholds = _numbers(tree, "split_feature", int), _numbers(tree, "threshold")
    kinds = _numbers(tree, "decision_type", int)
    is_set = (kinds & 1) == 1
    missing = np.choose((kinds >> 2) & 3, (*_MISSING, 0)) | np.where(kinds & 2, LEFT, 0)
    sets = np.full(count - 1, -1)
    if is_set.any():
        bounds, words = _numbers(tree, "cat_boundaries", int), _numbers(tree, "cat_threshold", int)
        for place in np.flatnonzero(is_set):
            first = int(thresholds[place])
            sets[place] = forest.add_set(_members(words[bounds[first] : bounds[first + 1]]), left=True)
    children = {}
    for name in ("left_child", "right_child"):
        child = _numbers(tree, name, int)
        # Leaves have negative numbers; here they follow the inner nodes.
        children[name] = np.concatenate([np.where(child < 0, count - 2 - child, child), none])
    forest.add(
        features=np.concatenate([features, none]),
        thresholds=np.concatenate([thresholds, np.zeros(count)]),
        left=children["left_child"],
        right=children["right_child"],
        values=leaves,
        # A missing category is in no set, whatever the bits say.
        missing=np.concatenate([np.where(is_set, 0, missing), np.zeros(count, dtype=int)]),
        categories=np.concatenate([sets, none]),
        target=target,
    )


def _members(words: NDArray[Any]) -> list[int]:
    """Return the numbers whose bit is set in words of 32 bits."""
    return [
        32 * word + bit for word, value in enumerate(words.tolist()) for bit in range(32) if value >> bit & 1
    ]
