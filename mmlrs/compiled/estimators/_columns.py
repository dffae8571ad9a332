"""The columns between the steps of a fitted estimator: which slot of which column holds each feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmlrs.compiled._definition import ints, step
from mmlrs.errors import InvalidParamError

__all__ = ["Features", "Flow", "Slot", "refused", "vector_slots"]


@dataclass(frozen=True)
class Slot:
    """One feature: a column of numbers or strings, or a slot of a column of vectors."""

    column: str
    #: The slot, and the size of the vectors. None for a column of single values.
    index: int | None = None
    size: int | None = None


#: The features that a step of the original reads or returns, in its order.
Features = list[Slot]


def refused(place: str, cause: str, remedy: str = "") -> InvalidParamError:
    """Return the error for a part of an estimator that cannot be compiled.

    Parameters
    ----------
    place : str
        The part: a class name, and where it stands.
    cause, remedy : str
        Why it cannot be compiled, and what to do.
    """
    end = f"; {remedy}" if remedy else ""
    return InvalidParamError(f"from_estimator: param `fitted`: {place} cannot be compiled: {cause}{end}")


def vector_slots(column: str, size: int) -> Features:
    """Return all slots of a column of vectors."""
    return [Slot(column, index, size) for index in range(size)]


@dataclass
class Flow:
    """The native steps so far, and what is known of their columns."""

    #: Names of columns that the model reads or adds.
    taken: set[str]
    stages: list[Any] = field(default_factory=list)
    #: Columns of vectors that were checked, by what they may contain: "nan", "finite", "single".
    checked: dict[str, frozenset[str]] = field(default_factory=dict)

    def name(self, origin: str) -> str:
        """Return an unused name for a hidden column."""
        number = len(self.stages)
        while (name := f"{origin}_{number}") in self.taken:
            number += 1
        self.taken.add(name)
        return name

    def add(
        self, origin: str, inputs: Sequence[str], outputs: Sequence[str], kind: str, **params: Any
    ) -> None:
        """Add a step."""
        self.stages.append(step(origin, inputs, outputs, kind, **params))

    def vectors(self, origin: str, column: str, size: int, kind: str, /, **params: Any) -> Features:
        """Add a step from vectors to vectors of a given size, and return its slots."""
        name = self.name(origin)
        self.add(origin, [column], [name], kind, **params)
        return vector_slots(name, size)

    def vector(
        self, origin: str, features: Features, accepts: str = "finite", operations: Sequence[Any] = ()
    ) -> str:
        """Return a column of vectors that holds the features and was checked.

        Parameters
        ----------
        origin : str
            The class that reads the vectors; errors name it.
        features : list of Slot
            The slots, at least one.
        accepts : {"any", "nan", "finite", "single", "single_nan"}
            What the class accepts: any number, any but infinities, finite numbers, or numbers that fit single precision, with
            or without NaN.
        operations : list of dict
            What is done with the numbers once they are checked. They are not checked again: a scaled number is finite.
        """
        first = features[0]
        if (
            not operations
            and first.index is not None
            and features == vector_slots(first.column, first.size or 0)
        ):
            known = self.checked.get(first.column, frozenset())
            if accepts == "any" or accepts in known:
                return first.column
        name = self.name(origin if operations else f"{origin}_input")
        columns, parts = _parts(features)
        self.add(
            origin,
            columns,
            [name],
            "stack",
            parts=parts,
            nan=accepts in ("any", "nan", "single_nan"),
            infinite=accepts == "any",
            single=accepts.startswith("single"),
            operations=list(operations),
        )
        self.mark(name, accepts)
        return name

    def mark(self, column: str, accepts: str) -> None:
        """Remember what a column of vectors was checked for, and what follows from it."""
        implied = {
            "any": [],
            "nan": ["nan"],
            "finite": ["finite", "nan"],
            "single": ["single", "single_nan", "finite", "nan"],
            "single_nan": ["single_nan", "nan"],
        }
        self.checked[column] = frozenset(implied[accepts])

    def marked(self, features: Features, accepts: str) -> Features:
        """Return features whose column holds only such numbers."""
        if features:
            self.mark(features[0].column, accepts)
        return features


def _parts(features: Features) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of features and what is taken of each; neighbouring slots of a column are one part."""
    columns: list[str] = []
    parts: list[dict[str, Any]] = []
    runs: list[Features] = []
    for slot in features:
        if runs and slot.index is not None and runs[-1][0].column == slot.column:
            runs[-1].append(slot)
        else:
            runs.append([slot])
    for run in runs:
        first = run[0]
        columns.append(first.column)
        if first.index is None:
            parts.append({"kind": "numbers"})
        elif run == vector_slots(first.column, first.size or 0):
            parts.append({"kind": "vectors", "size": first.size})
        else:
            slots = ints([slot.index for slot in run])
            parts.append({"kind": "slots", "size": first.size, "slots": slots})
    return columns, parts
