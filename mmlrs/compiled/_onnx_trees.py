"""Sums of trees in ONNX, in doubles and in the order in which the native core adds them.

The operator `TreeEnsembleRegressor` only finds the leaf of each tree, as a number, which its single precision holds exactly. The
values of the leaves are looked up and added by other operators, in doubles. The operator may also add the trees in any order, and
ties between classes would then be broken at random. Its successor, `TreeEnsemble`, is wrong for several trees in ONNX Runtime 1.23.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mmlrs.compiled._onnx_graph import ML, CannotExport, Graph
from mmlrs.compiled._onnx_step import Members, Step, numbers

__all__ = ["Sums", "forest"]

#: How a node treats missing values, as in the native core.
_LEFT, _ZERO, _AS_ZERO, _RIGHT = 1, 2, 4, 8
#: Values up to this distance from zero are zero for nodes that treat zeros as missing.
_NEAR_ZERO = 1e-35


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
    #: Whether a number with a fraction is no category ("whole"), or its fraction is cut off ("cut").
    category: str = ""
    #: For categories: those whose flag is 1. The flag of NaN is NaN.
    members: tuple[int, ...] = ()


@dataclass
class _Nodes:
    """The attributes of the nodes, and the columns that they read."""

    size: int
    trees: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    features: list[int] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    splits: list[float] = field(default_factory=list)
    tracks: list[int] = field(default_factory=list)
    #: The children on the true and on the false side.
    sides: list[tuple[int, int]] = field(default_factory=list)
    #: The tree, the node and the place from left to right of each leaf, and its number among all leaves.
    leaves: list[tuple[int, int, int, int]] = field(default_factory=list)
    #: The columns after those of the vector, by slot and reading.
    columns: dict[tuple[int, _Reading], int] = field(default_factory=dict)

    def column(self, slot: int, reading: _Reading) -> int:
        """Return the column with what nodes make of a slot."""
        if reading == _Reading():
            return slot
        return self.columns.setdefault((slot, reading), self.size + len(self.columns))

    def add(
        self,
        tree: int,
        node: int,
        mode: str,
        *,
        column: int = 0,
        split: float = 0.0,
        missing_is_true: bool = False,
        sides: tuple[int, int] = (0, 0),
    ) -> None:
        """Append a node."""
        self.trees.append(tree)
        self.ids.append(node)
        self.modes.append(mode)
        self.features.append(column)
        self.splits.append(split)
        self.tracks.append(int(missing_is_true))
        self.sides.append(sides)


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

    def reading(self, node: int) -> tuple[_Reading, bool, bool]:
        """Return how a node reads its slot, whether NaN goes left, and whether the categories of its set go left."""
        missing, place = int(self.missing[node]), int(self.categories[node])
        ruled = bool(missing & (_LEFT | _RIGHT)) or place < 0
        plain = _Reading(bool(missing & _AS_ZERO), bool(missing & _ZERO) and ruled)
        if place < 0:
            return plain, bool(missing & _LEFT), False
        chosen = self.sets[place]
        members = tuple(sorted(map(int, numbers(chosen["values"], "<i4"))))
        category = "cut" if chosen.get("truncate") else "whole"
        left = bool(chosen["left"])
        # Without a rule NaN is in no set.
        nan_left = bool(missing & _LEFT) if ruled else not left
        return replace(plain, category=category, members=members), nan_left, left


def forest(step: Step, members: Members) -> Sums:
    """Append the operators of the trees of a definition."""
    graph, trees = step.graph, _Forest(members)
    least = int(trees.features.max(initial=-1)) + 1
    column = step.vector(0, None if trees.size is None else int(trees.size))
    if column.size < max(least, 1):
        raise CannotExport(f"its trees read slot {least - 1} of vectors of size {column.size}")
    nodes = _Nodes(column.size)
    for tree, root in enumerate(trees.roots):
        _add_tree(trees, nodes, tree, int(root))
    x = column.tensor
    if trees.single_inputs:
        x = graph.cast(graph.cast(x, "f4"), "f8")
    leaves = _ensemble(graph, nodes, graph.joined([x, *_columns(graph, nodes, x)]), len(trees.roots))
    return Sums(_sums(graph, trees, nodes, leaves), len(trees.base), leaves, len(trees.roots))


def _add_tree(trees: _Forest, nodes: _Nodes, tree: int, root: int) -> None:
    """Append a tree, its root first. Its leaves are numbered from left to right."""
    waiting, place = [root], 0
    while waiting:
        node = waiting.pop()
        if trees.features[node] < 0:
            nodes.add(tree, node, "LEAF")
            nodes.leaves.append((tree, node, place, int(trees.leaf_numbers[node])))
            place += 1
            continue
        left, right = int(trees.left[node]), int(trees.right[node])
        reading, nan_left, set_is_left = trees.reading(node)
        column = nodes.column(int(trees.features[node]), reading)
        if reading.category:
            # The flag is at most 0.5 outside the set.
            sides = (right, left) if set_is_left else (left, right)
            tracks = nan_left != set_is_left
            nodes.add(tree, node, "BRANCH_LEQ", column=column, split=0.5, missing_is_true=tracks, sides=sides)
        else:
            mode, split = "BRANCH_LT" if trees.below else "BRANCH_LEQ", float(trees.thresholds[node])
            nodes.add(
                tree, node, mode, column=column, split=split, missing_is_true=nan_left, sides=(left, right)
            )
        waiting += [right, left]


def _columns(graph: Graph, nodes: _Nodes, x: str) -> list[str]:
    """Return the columns that nodes read besides those of the vector."""
    made = []
    for slot, reading in nodes.columns:
        value = graph.slots(x, [slot])
        if reading.nan_is_zero:
            value = graph.where(graph.op("IsNaN", value), 0.0, value)
        if reading.zero_is_missing:
            zero = graph.op("LessOrEqual", graph.op("Abs", value), _NEAR_ZERO)
            value = graph.where(zero, np.nan, value)
        if reading.category:
            value = _flag(graph, reading, value)
        made.append(value)
    return made


def _flag(graph: Graph, reading: _Reading, value: str) -> str:
    """Return 1 for the categories of the set, 0 for others, and NaN for NaN."""
    members = np.array(reading.members, dtype=np.float64)[None, :]
    category = value
    if reading.category == "cut":
        category = graph.where(
            graph.op("Less", value, 0.0), graph.op("Ceil", value), graph.op("Floor", value)
        )
    if members.size:
        flags = graph.total(graph.cast(graph.op("Equal", category, members), "f8"))
    else:
        flags = graph.op("Mul", graph.cast(graph.op("IsInf", value), "f8"), 0.0)
    return graph.where(graph.op("IsNaN", value), value, flags)


def _ensemble(graph: Graph, nodes: _Nodes, x: str, trees: int) -> str:
    """Return the number of each tree's leaf, as doubles."""
    leaves = graph.op(
        "TreeEnsembleRegressor",
        x,
        domain=ML,
        nodes_treeids=nodes.trees,
        nodes_nodeids=nodes.ids,
        nodes_featureids=nodes.features,
        nodes_modes=nodes.modes,
        nodes_values_as_tensor=graph.attribute(nodes.splits, "f8"),
        nodes_missing_value_tracks_true=nodes.tracks,
        nodes_truenodeids=[true for true, _ in nodes.sides],
        nodes_falsenodeids=[false for _, false in nodes.sides],
        target_treeids=[leaf[0] for leaf in nodes.leaves],
        target_nodeids=[leaf[1] for leaf in nodes.leaves],
        target_ids=[leaf[0] for leaf in nodes.leaves],
        target_weights_as_tensor=graph.attribute([leaf[2] for leaf in nodes.leaves], "f8"),
        n_targets=trees,
        aggregate_function="SUM",
        post_transform="NONE",
    )
    return graph.cast(leaves, "f8")


def _sums(graph: Graph, trees: _Forest, nodes: _Nodes, leaves: str) -> str:
    """Return the outputs: the base, and the values of the leaves in the order of the trees."""
    kind, count = ("f4" if trees.single else "f8"), len(trees.roots)
    # The leaves by tree and place, and where those of each tree begin.
    table = trees.values[[leaf[3] for leaf in nodes.leaves]].astype(kind)
    starts = np.searchsorted([leaf[0] for leaf in nodes.leaves], np.arange(count)).astype(np.int64)
    rows = graph.op("Add", graph.cast(leaves, "i8"), starts[None, :])
    values = graph.op("Gather", table, rows, axis=0)
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
            blocks.append(graph.repeated(base, leaves))
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
