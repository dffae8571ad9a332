"""Random forests in the form of definitions."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmlrs.compiled._definition import floats, ints


def random_forest(
    rng: np.random.Generator,
    *,
    trees: int,
    depth: int,
    size: int,
    width: int = 1,
    outputs: int = 1,
    missing: bool = False,
    sets: bool = False,
    targets: bool = False,
    values: Any = None,
    **members: Any,
) -> dict[str, Any]:
    """Return a definition. Thresholds, and the values that `rows` makes, are multiples of a half, so that they often are equal."""
    nodes: list[dict[str, Any]] = []
    chosen: list[dict[str, Any]] = []

    def grow(left: int) -> int:
        place = len(nodes)
        nodes.append({"feature": -1, "left": -1, "right": -1, "threshold": 0.0, "missing": 0, "set": -1})
        if left and rng.random() < 0.9:
            node = nodes[place]
            node |= {"feature": int(rng.integers(size)), "threshold": float(rng.integers(-4, 5)) / 2}
            node["missing"] = int(rng.integers(16)) if missing else 0
            if sets and rng.random() < 0.5:
                node["set"] = len(chosen)
                members = rng.choice(90 if rng.random() < 0.3 else 4, size=rng.integers(4), replace=False)
                chosen.append(
                    {
                        "values": ints(np.sort(members)),
                        "left": bool(rng.random() < 0.5),
                        "truncate": bool(rng.random() < 0.5),
                    }
                )
            node["left"], node["right"] = grow(left - 1), grow(left - 1)
        return place

    roots = [grow(depth) for _ in range(trees)]
    leaves = sum(node["feature"] < 0 for node in nodes)
    values = rng.normal(size=(leaves, width)) if values is None else rng.choice(values, size=(leaves, width))
    return {
        "kind": "forest",
        "roots": ints(roots),
        "features": ints([node["feature"] for node in nodes]),
        "thresholds": floats([node["threshold"] for node in nodes]),
        "left": ints([node["left"] for node in nodes]),
        "right": ints([node["right"] for node in nodes]),
        "missing": ints([node["missing"] for node in nodes] if missing else []),
        "categories": ints([node["set"] for node in nodes] if sets else []),
        "sets": chosen,
        "targets": ints(rng.integers(outputs - width + 1, size=trees) if targets else []),
        "values": floats(values),
        "width": width,
        "base": floats(rng.normal(size=outputs)),
        "rule": "at_most",
        "divisor": 1.0,
        "size": size,
        **members,
    }


def rows(rng: np.random.Generator, count: int, size: int, *, odd: bool = True) -> np.ndarray[Any, Any]:
    """Return rows of numbers: multiples of a half, and some that are NaN, infinite, large categories or nearly zero."""
    values = rng.integers(-4, 9, size=(count, size)) / 2.0
    if odd:
        strange = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-36, -1e-36, 1e300, 63.0, 64.0, 89.5, -0.5, 0.1])
        where = rng.random((count, size)) < 0.3
        values[where] = rng.choice(strange, size=int(where.sum()))
    return values
