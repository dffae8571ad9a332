"""Trees of any library in the form that the native core scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmlrs.compiled._definition import floats, ints

__all__ = ["AS_ZERO", "LEFT", "RIGHT", "ZERO", "Trees"]

#: How a node treats missing values: NaN goes left; zero is missing; NaN is zero; NaN goes right, also past a set.
LEFT, ZERO, AS_ZERO, RIGHT = 1, 2, 4, 8


@dataclass
class Trees:
    """Trees as lists of nodes, one tree after the other."""

    #: "at_most" if a number goes left at the threshold too, "below" if only below it.
    rule: str
    roots: list[int] = field(default_factory=list)
    parts: dict[str, list[NDArray[Any]]] = field(
        default_factory=lambda: {
            name: [] for name in ("features", "thresholds", "left", "right", "missing", "categories")
        }
    )
    sets: list[dict[str, Any]] = field(default_factory=list)
    values: list[NDArray[Any]] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        *,
        features: ArrayLike,
        thresholds: ArrayLike,
        left: ArrayLike,
        right: ArrayLike,
        values: ArrayLike,
        missing: ArrayLike | None = None,
        categories: ArrayLike | None = None,
        target: int = 0,
    ) -> None:
        """Add a tree.

        Parameters
        ----------
        features : list of int
            For each node the feature that it reads, -1 for a leaf. Node 0 is the root.
        thresholds : list of float
            The thresholds.
        left, right : list of int
            The children, numbered within the tree.
        values : array
            The values of the leaves, in the order of the leaves' nodes.
        missing : list of int, optional
            How each node treats missing values.
        categories : list of int, optional
            The set of categories of each node, -1 for none.
        target : int
            The output to which the first value is added.
        """
        read = np.asarray(features, dtype=np.int64)
        inner = read >= 0
        none = np.full(len(read), -1)
        place = lambda children: np.where(inner, np.asarray(children) + self.count, -1)  # noqa: E731
        tree = {
            "features": np.where(inner, read, -1),
            "thresholds": np.where(inner, np.asarray(thresholds, dtype=np.float64), 0.0),
            "left": place(left),
            "right": place(right),
            "missing": np.zeros(len(read)) if missing is None else np.where(inner, np.asarray(missing), 0),
            "categories": none if categories is None else np.where(inner, np.asarray(categories), -1),
        }
        for name, numbers in tree.items():
            self.parts[name].append(numbers)
        self.values.append(np.asarray(values, dtype=np.float64).ravel())
        self.roots.append(self.count)
        self.targets.append(target)
        self.count += len(read)

    def add_set(self, values: Sequence[int], *, left: bool) -> int:
        """Add a set of categories that goes to one side, and return its number."""
        self.sets.append({"values": ints(values), "left": left, "truncate": True})
        return len(self.sets) - 1

    def model(
        self,
        base: ArrayLike,
        size: int,
        *,
        width: int = 1,
        divisor: float = 1.0,
        single: bool = False,
        single_inputs: bool = False,
    ) -> dict[str, Any]:
        """Return the model.

        Parameters
        ----------
        base : list of float
            The value of each output before any tree.
        size : int
            Number of features.
        width : int
            Number of values of a leaf.
        divisor : float
            What the sums are divided by.
        single, single_inputs : bool
            Whether everything, or the inputs alone, have single precision.
        """
        if not self.roots:
            self.add(features=[-1], thresholds=[0], left=[-1], right=[-1], values=np.zeros(width))
        joined = {name: np.concatenate(lists) for name, lists in self.parts.items()}
        model = {
            "kind": "forest",
            "roots": ints(self.roots),
            "features": ints(joined["features"]),
            "thresholds": floats(joined["thresholds"]),
            "left": ints(joined["left"]),
            "right": ints(joined["right"]),
            "rule": self.rule,
            "values": floats(np.concatenate(self.values)),
            "width": width,
            "targets": ints(self.targets),
            "base": floats(base),
            "divisor": float(divisor),
            "single": single,
            "single_inputs": single_inputs,
            "size": size,
        }
        if joined["missing"].any():
            model["missing"] = ints(joined["missing"])
        if self.sets:
            model |= {"categories": ints(joined["categories"]), "sets": self.sets}
        return model
