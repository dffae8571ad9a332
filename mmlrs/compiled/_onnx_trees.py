"""Sums of trees in ONNX, in doubles and in the order in which the native core adds them.

The operator `TreeEnsemble` finds the leaf of each tree, as a number. The values of the leaves are looked up and added by other
operators, because the operator itself may add the trees in any order. Ties between classes would then be broken at random.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmlrs.compiled._onnx_graph import ML, CannotExport, Graph
from mmlrs.compiled._onnx_step import Members, Step, numbers

__all__ = ["Sums", "forest"]

#: How a node treats missing values, as in the native core.
_LEFT, _ZERO, _AS_ZERO, _RIGHT = 1, 2, 4, 8
#: Values up to this distance from zero are zero for nodes that treat zeros as missing.
_NEAR_ZERO = 1e-35
#: The comparisons of `TreeEnsemble`.
_LEQ, _LT, _MEMBER = 0, 1, 6


@dataclass(frozen=True)
class Sums:
    """The sums of trees: see `Raw`."""

    tensor: str
    outputs: int
    leaves: str
    trees: int


@dataclass(frozen=True)
class _Reading:
    """What a node makes of a slot before it compares."""

    #: NaN is zero.
    nan_is_zero: bool = False
    #: Zero is missing.
    zero_is_missing: bool = False
    #: How a category follows from a number: "whole" if a number with a fraction is none, "cut" if the fraction is cut off.
    category: str = ""


@dataclass
class _Nodes:
    """The attributes of `TreeEnsemble`, and the columns that its nodes read."""

    size: int
    features: list[int] = field(default_factory=list)
    modes: list[int] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    #: The children on the true and on the false side: a node, or a leaf as -1 - its number.
    sides: list[list[int]] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    #: The tree and the number of each leaf.
    leaves: list[tuple[int, int]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    #: The columns after those of the vector, by slot and reading.
    columns: dict[tuple[int, _Reading], int] = field(default_factory=dict)

    def column(self, slot: int, reading: _Reading) -> int:
        """Return the column with what nodes make of a slot."""
        if reading == _Reading():
            return slot
        return self.columns.setdefault((slot, reading), self.size + len(self.columns))

    def add(self, column: int, mode: int, split: float, *, missing_is_true: bool) -> int:
        """Append a node and return its number."""
        self.features.append(column)
        self.modes.append(mode)
        self.splits.append(split)
        self.tracks.append(int(missing_is_true))
        self.sides.append([0, 0])
        return len(self.features) - 1

    def leaf(self, tree: int, number: int) -> int:
        """Append a leaf and return it as a child."""
        self.leaves.append((tree, number))
        return -len(self.leaves)


class _Forest:
    """The members of a definition as arrays."""

    def __init__(self, members: Members) -> None:
        names = ("roots", "features", "left", "right", "missing", "categories", "targets")
        self.roots, self.features, self.left, self.right, missing, categories, self.targets = map(
            members.ints, names
        )
        count = len(self.features)
        self.missing = missing if len(missing) else np.zeros(count, dtype=np.int64)
        self.categories = categories if len(categories) else np.full(count, -1)
        self.sets = [dict(item) for item in members.take("sets", [])]
        self.single = bool(members.take("single"))
        self.single_inputs = bool(members.take("single_inputs")) or self.single
        thresholds = members.floats("thresholds")
        self.thresholds = thresholds.astype("f4").astype("f8") if self.single else thresholds
        self.width = int(members.take("width"))
        self.values = members.floats("values").reshape(-1, self.width)
        self.base = members.floats("base")
        self.divisor = float(members.take("divisor"))
        self.below = {"below": True, "at_most": False}[members.take("rule")]
        self.size = members.take("size")
        #: The number of each leaf among all leaves, by node.
        self.leaf_numbers = np.cumsum(self.features < 0) - 1

    def goes_left(self, node: int) -> tuple[_Reading, bool, list[int] | None, bool]:
        """Return how a node reads its slot, whether NaN goes left, its set of categories, and whether the set goes left."""
        missing, place = int(self.missing[node]), int(self.categories[node])
        ruled = bool(missing & (_LEFT | _RIGHT)) or place < 0
        plain = _Reading(bool(missing & _AS_ZERO), bool(missing & _ZERO) and ruled)
        if place < 0:
            return plain, bool(missing & _LEFT), None, False
        chosen = self.sets[place]
        # Without a rule NaN is in no set.
        nan_left = bool(missing & _LEFT) if ruled else not chosen["left"]
        reading = _Reading(
            plain.nan_is_zero, plain.zero_is_missing, "cut" if chosen.get("truncate") else "whole"
        )
        return (
            reading,
            nan_left,
            [int(item) for item in numbers(chosen["values"], "<i4")],
            bool(chosen["left"]),
        )


def forest(step: Step, members: Members) -> Sums:
    """Append the operators of the trees of a definition."""
    graph, trees = step.graph, _Forest(members)
    least = int(trees.features.max(initial=-1)) + 1
    column = step.vector(0, None if trees.size is None else int(trees.size))
    if column.size < max(least, 1):
        raise CannotExport(f"its trees read slot {least - 1} of vectors of size {column.size}")
    nodes, places = _Nodes(column.size), np.zeros(len(trees.values), dtype=np.float64)
    for tree, root in enumerate(trees.roots):
        _add_tree(trees, nodes, tree, int(root), places)
    x = column.tensor
    if trees.single_inputs:
        x = graph.cast(graph.cast(x, "f4"), "f8")
    found = _ensemble(graph, nodes, graph.joined([x, *_columns(graph, nodes, x)]), len(trees.roots))
    found = graph.cast(found, "i8")
    leaves = graph.op("Gather", graph.constant(places), found, axis=0)
    return Sums(_sums(graph, trees, found), len(trees.base), leaves, len(trees.roots))


def _add_tree(trees: _Forest, nodes: _Nodes, tree: int, root: int, places: np.ndarray[Any, Any]) -> None:
    """Append a tree, and note the place of each of its leaves from left to right."""
    if trees.features[root] < 0:
        # The operator knows no tree without a node: both sides of this one are the leaf.
        top = nodes.add(0, _LEQ, 0.0, missing_is_true=False)
        number = int(trees.leaf_numbers[root])
        nodes.sides[top] = [nodes.leaf(tree, number), nodes.leaf(tree, number)]
        nodes.roots.append(top)
        return
    nodes.roots.append(len(nodes.features))
    waiting: list[tuple[int, list[int], int]] = [(root, [0], 0)]
    place = 0
    while waiting:
        node, parent, side = waiting.pop()
        if trees.features[node] < 0:
            number = int(trees.leaf_numbers[node])
            places[number] = place
            place += 1
            parent[side] = nodes.leaf(tree, number)
            continue
        true_is_left = _add_node(trees, nodes, node)
        parent[side] = len(nodes.features) - 1
        sides = nodes.sides[-1]
        left, right = (0, 1) if true_is_left else (1, 0)
        waiting.append((int(trees.right[node]), sides, right))
        waiting.append((int(trees.left[node]), sides, left))


def _add_node(trees: _Forest, nodes: _Nodes, node: int) -> bool:
    """Append a node, and return whether the true side is the left one."""
    reading, nan_left, categories, set_is_left = trees.goes_left(node)
    column = nodes.column(int(trees.features[node]), reading)
    if categories is None:
        mode = _LT if trees.below else _LEQ
        nodes.add(column, mode, float(trees.thresholds[node]), missing_is_true=nan_left)
        return True
    tracks = nan_left == set_is_left
    if categories:
        nodes.add(column, _MEMBER, 0.0, missing_is_true=tracks)
        nodes.members += [*map(float, categories), np.nan]
    else:
        # No number is below minus infinity.
        nodes.add(column, _LT, -np.inf, missing_is_true=tracks)
    return set_is_left


def _columns(graph: Graph, nodes: _Nodes, x: str) -> list[str]:
    """Return the columns that nodes read besides those of the vector."""
    made = []
    for (slot, reading), _ in sorted(nodes.columns.items(), key=lambda item: item[1]):
        value = graph.slots(x, [slot])
        if reading.nan_is_zero:
            value = graph.where(graph.op("IsNaN", value), 0.0, value)
        if reading.zero_is_missing:
            zero = graph.op("LessOrEqual", graph.op("Abs", value), _NEAR_ZERO)
            value = graph.where(zero, np.nan, value)
        if reading.category:
            down = graph.op("Floor", value)
            if reading.category == "cut":
                down = graph.where(graph.op("Less", value, 0.0), graph.op("Ceil", value), down)
                whole = graph.op("LessOrEqual", graph.op("Abs", value), np.finfo(np.float64).max)
            else:
                whole = graph.op("Equal", down, value)
            kept = graph.op("Or", whole, graph.op("IsNaN", value))
            # No category is -1.
            value = graph.where(kept, down, -1.0)
        made.append(value)
    return made


def _ensemble(graph: Graph, nodes: _Nodes, x: str, trees: int) -> str:
    """Return the number of each tree's leaf, as doubles."""
    sides = np.array(nodes.sides, dtype=np.int64).reshape(-1, 2)
    is_leaf = sides < 0
    children = np.where(is_leaf, -1 - sides, sides)
    attributes: dict[str, Any] = {
        "nodes_featureids": nodes.features,
        "nodes_modes": graph.attribute(nodes.modes, "u1"),
        "nodes_splits": graph.attribute(nodes.splits, "f8"),
        "nodes_missing_value_tracks_true": nodes.tracks,
        "nodes_truenodeids": children[:, 0].tolist(),
        "nodes_trueleafs": is_leaf[:, 0].astype(int).tolist(),
        "nodes_falsenodeids": children[:, 1].tolist(),
        "nodes_falseleafs": is_leaf[:, 1].astype(int).tolist(),
        "tree_roots": nodes.roots,
        "leaf_targetids": [tree for tree, _ in nodes.leaves],
        "leaf_weights": graph.attribute([number for _, number in nodes.leaves], "f8"),
        "n_targets": trees,
        "aggregate_function": 1,
        "post_transform": 0,
    }
    if nodes.members:
        attributes["membership_values"] = graph.attribute(nodes.members, "f8")
    return graph.op("TreeEnsemble", x, domain=ML, version=5, **attributes)


def _sums(graph: Graph, trees: _Forest, leaves: str) -> str:
    """Return the outputs: the base, and the values of the leaves in the order of the trees."""
    kind, count = ("f4" if trees.single else "f8"), len(trees.roots)
    values = graph.op("Gather", graph.constant(trees.values.astype(kind)), leaves, axis=0)
    flat = graph.op("Reshape", values, np.array([-1, count * trees.width], dtype=np.int64))
    targets = trees.targets if len(trees.targets) else np.zeros(count, dtype=np.int64)
    outputs = len(trees.base)
    places: list[list[int]] = [[] for _ in range(outputs)]
    for tree, target in enumerate(targets):
        for slot in range(trees.width):
            places[int(target) + slot].append(tree * trees.width + slot)
    blocks, order = [], []
    for added in sorted({len(item) for item in places}):
        chosen = [output for output in range(outputs) if len(places[output]) == added]
        order += chosen
        base = trees.base[chosen]
        if added == 0:
            blocks.append(_repeated(graph, base, leaves))
            continue
        block = graph.slots(flat, [place for output in chosen for place in places[output]])
        block = graph.op("Reshape", block, np.array([-1, len(chosen), added], dtype=np.int64))
        start = np.zeros((1, len(chosen), added), dtype=kind)
        start[0, :, 0] = base
        block = graph.op("CumSum", graph.op("Add", block, start), np.array(2, dtype=np.int64))
        last = graph.op("Gather", block, np.array(added - 1, dtype=np.int64), axis=2)
        blocks.append(graph.cast(last, "f8") if trees.single else last)
    sums = graph.joined(blocks)
    if order != sorted(order):
        sums = graph.slots(sums, np.argsort(order))
    return sums if trees.divisor == 1.0 else graph.op("Div", sums, trees.divisor)


def _repeated(graph: Graph, values: np.ndarray[Any, Any], like: str) -> str:
    """Return constants as the values of each row."""
    rows = graph.op("Shape", like, start=0, end=1)
    shape = graph.op("Concat", rows, np.array([len(values)], dtype=np.int64), axis=0)
    return graph.op("Expand", values[None, :], shape)
