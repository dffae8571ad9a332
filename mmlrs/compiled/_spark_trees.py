"""Fitted trees of Spark ML in the form that the native core scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.compiled._definition import floats, ints
from mmlrs.compiled._saved import Saved
from mmlrs.compiled._values import CannotCompile

__all__ = ["forest"]


def forest(
    model: Any,
    saved: Saved,
    leaf_values: Callable[[pa.StructArray], np.ndarray[Any, Any]],
    *,
    weights: Any = None,
    divisor: float = 1.0,
) -> dict[str, Any]:
    """Return the definition of a model's trees.

    Parameters
    ----------
    model : object
        A tree or an ensemble of Spark ML.
    saved : Saved
        Reads its nodes, which have no getter.
    leaf_values : callable
        Returns the values of all nodes as rows of an array, of which those of the leaves are used.
    weights : list of float, optional
        The weight of each tree.
    divisor : float, default 1.0
        The sum of the trees is divided by it.
    """
    (table,) = saved.tables(model, "data")
    tree, nodes = _sorted(table)
    starts = np.searchsorted(tree, np.unique(tree))
    first = starts[np.searchsorted(np.unique(tree), tree)]
    left, right = (nodes.field(name).to_numpy(zero_copy_only=False) for name in ("leftChild", "rightChild"))
    split = nodes.field("split")
    features = np.where(left < 0, -1, split.field("featureIndex").to_numpy(zero_copy_only=False))
    thresholds, categories, sets = _splits(split, left >= 0)
    values = leaf_values(nodes)[left < 0]
    if weights is not None:
        values = (
            values
            * np.asarray(weights, dtype=np.float64)[np.searchsorted(np.unique(tree), tree[left < 0])][:, None]
        )
    width = int(values.shape[1])
    return {
        "kind": "forest",
        "roots": ints(starts),
        "features": ints(features),
        "thresholds": floats(thresholds),
        "left": ints(np.where(left < 0, -1, left + first)),
        "right": ints(np.where(left < 0, -1, right + first)),
        "categories": ints(categories if sets else []),
        "sets": sets,
        "rule": "at_most",
        "values": floats(values),
        "width": width,
        "base": floats(np.zeros(width)),
        "divisor": divisor,
        "size": int(model.numFeatures),
    }


def _sorted(table: pa.Table) -> tuple[np.ndarray[Any, Any], pa.StructArray]:
    """Return the tree of each node, and the nodes, by tree and number."""
    table = table.combine_chunks()
    names = table.column_names
    if "nodeData" in names:
        nodes, tree = _one(table["nodeData"]), _one(table["treeID"]).to_numpy()
    elif {"id", "leftChild", "split"} <= set(names):
        nodes = pa.StructArray.from_arrays([_one(column) for column in table.columns], names=names)
        tree = np.zeros(len(nodes), dtype=np.int32)
    else:
        raise CannotCompile(f"its saved nodes have unknown columns: {', '.join(names)}")
    order = np.lexsort((nodes.field("id").to_numpy(), tree))
    return tree[order], nodes.take(pa.array(order))


def _one(column: pa.ChunkedArray) -> Any:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _splits(
    split: pa.StructArray, inner: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[dict[str, Any]]]:
    """Return the threshold and the number of the category set of each node, and the sets."""
    numbers = split.field("leftCategoriesOrThreshold")
    offsets, items = numbers.offsets.to_numpy(), numbers.values.to_numpy(zero_copy_only=False)
    counts = split.field("numCategories").to_numpy(zero_copy_only=False)
    thresholds = np.zeros(len(split))
    numeric = np.flatnonzero(inner & (counts < 0))
    thresholds[numeric] = items[offsets[numeric]]
    categories = np.full(len(split), -1, dtype=np.int32)
    sets: list[dict[str, Any]] = []
    for node in np.flatnonzero(inner & (counts >= 0)):
        left = {int(category) for category in items[offsets[node] : offsets[node + 1]]}
        # Spark keeps the smaller side. A value that is no category is not in it, and goes to the other side.
        is_left = len(left) <= counts[node] / 2
        members = left if is_left else set(range(int(counts[node]))) - left
        categories[node] = len(sets)
        sets.append({"values": ints(sorted(members)), "left": bool(is_left), "truncate": False})
    return thresholds, categories, sets
