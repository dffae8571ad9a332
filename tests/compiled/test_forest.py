"""The scorer of trees against a walk in Python: deep and shallow trees, sparse rows, missing values, categories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.compiled._definition import floats, ints, step
from mmlrs.engine.fields import VECTOR
from mmlrs.errors import InvalidParamError

SLOTS = 6


class Tree:
    """A random tree: nodes in the order in which they were made."""

    def __init__(self, rng: np.random.Generator, depth: int, width: int, *, chain: bool) -> None:
        self.features: list[int] = []
        self.thresholds: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.missing: list[int] = []
        self.values: dict[int, Any] = {}
        self.rng, self.width, self.chain = rng, width, chain
        self.grow(depth)

    def grow(self, depth: int) -> int:
        node = len(self.features)
        inner = depth > 0 and (self.chain or self.rng.random() < 0.85)
        self.features.append(int(self.rng.integers(SLOTS)) if inner else -1)
        self.thresholds.append(float(np.round(self.rng.normal(), 1)))
        self.missing.append(int(self.rng.choice([0, 1, 2, 3, 4, 8])))
        self.left.append(-1)
        self.right.append(-1)
        if inner:
            self.left[node] = self.grow(0 if self.chain else depth - 1)
            self.right[node] = self.grow(depth - 1)
        else:
            self.values[node] = np.round(self.rng.normal(size=self.width), 3)
        return node

    def walk(self, row: np.ndarray, rule: str, *, rules: bool) -> Any:
        node = 0
        while self.features[node] >= 0:
            value, missing = row[self.features[node]], self.missing[node] if rules else 0
            if missing & 4 and np.isnan(value):
                value = 0.0
            if np.isnan(value) or (missing & 2 and abs(value) <= 1e-35):
                left = bool(missing & 1)
            else:
                left = value <= self.thresholds[node] if rule == "at_most" else value < self.thresholds[node]
            node = self.left[node] if left else self.right[node]
        return self.values[node]


def definition(trees: list[Tree], rule: str, width: int, *, rules: bool) -> dict[str, Any]:
    starts = np.cumsum([0, *(len(t.features) for t in trees)])[:-1]

    def joined(name: str, *, shift: bool = False) -> list[Any]:
        return [
            v + s if shift and v >= 0 else v
            for t, s in zip(trees, starts, strict=True)
            for v in getattr(t, name)
        ]

    return {
        "kind": "forest",
        "roots": ints(starts),
        "features": ints(joined("features")),
        "thresholds": floats(joined("thresholds")),
        "left": ints(joined("left", shift=True)),
        "right": ints(joined("right", shift=True)),
        "missing": ints(joined("missing") if rules else []),
        "rule": rule,
        "values": floats([t.values[n] for t in trees for n in sorted(t.values)]),
        "width": width,
        "base": floats(np.arange(width, dtype=float)),
        "divisor": 2.0,
    }


def vectors(rows: np.ndarray, *, sparse: bool) -> pa.Array:
    cells = []
    for i, row in enumerate(rows):
        if sparse and i % 2:
            places = np.flatnonzero(row)
            cells.append(
                {"type": 0, "size": SLOTS, "indices": places.tolist(), "values": row[places].tolist()}
            )
        else:
            cells.append({"type": 1, "size": None, "indices": None, "values": row.tolist()})
    return pa.array(cells, VECTOR)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    depth=st.sampled_from([0, 1, 3, 7, 12]),
    width=st.sampled_from([1, 3]),
    rule=st.sampled_from(["at_most", "below"]),
    rules=st.booleans(),
    chain=st.booleans(),
    odd=st.booleans(),
    rows=st.sampled_from([1, 15, 16, 40, 300]),
)
def test_scores_are_those_of_a_walk(
    seed: int, depth: int, width: int, rule: str, rules: bool, chain: bool, odd: bool, rows: int
) -> None:
    rng = np.random.default_rng(seed)
    trees = [Tree(rng, depth if chain or depth < 12 else 5, width, chain=chain) for _ in range(3)]
    data = np.round(rng.normal(size=(rows, SLOTS)), 1)
    data[rng.random(data.shape) < 0.2] = 0.0
    if odd:
        data[rng.random(data.shape) < 0.1] = np.nan
        data[rng.random(data.shape) < 0.05] = np.inf
    expected = np.array(
        [(np.arange(width) + sum(t.walk(row, rule, rules=rules) for t in trees)) / 2.0 for row in data]
    )
    names = ["raw"] if width > 1 else ["prediction"]
    learner: dict[str, Any] = {"model": definition(trees, rule, width, rules=rules)}
    if width > 1:
        learner |= {"probabilities": "raw", "decision": {"rule": "largest_raw"}}
    model = step("Model", ["v"], names, "classifier" if width > 1 else "regressor", roles=names, **learner)
    scored = model.transform(pa.table({"v": vectors(data, sparse=seed % 2 == 0)}))
    cells = scored[names[0]].to_pylist()
    got = np.array([c["values"] for c in cells]) if width > 1 else np.array(cells)[:, None]
    assert np.allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_a_vector_without_the_slot_of_a_tree_is_an_error() -> None:
    tree = Tree(np.random.default_rng(0), 3, 1, chain=True)
    model = step(
        "Model",
        ["v"],
        ["p"],
        "regressor",
        roles=["prediction"],
        model=definition([tree], "at_most", 1, rules=False),
    )
    with pytest.raises(
        Exception, match=r"Model: column `v`, row 0 .*has a vector of size 1; the model reads slot"
    ):
        model.transform(pa.table({"v": [[1.0]]}))


def test_trees_that_are_not_trees_are_refused() -> None:
    tree = Tree(np.random.default_rng(0), 3, 1, chain=True)
    tree.left[0] = 0
    model = step(
        "Model",
        ["v"],
        ["p"],
        "regressor",
        roles=["prediction"],
        model=definition([tree], "at_most", 1, rules=False),
    )
    with pytest.raises(InvalidParamError, match="its nodes do not form trees"):
        model.transform(pa.table({"v": [[1.0] * SLOTS]}))
