"""A fitted stage for the export to ONNX: its definition, its input columns and its row policy."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmlrs.compiled._onnx_graph import CannotExport, Column, Graph, Kind

__all__ = ["Members", "Step"]


class Members:
    """The members of a definition. Each must be read, so that none is ignored.

    Parameters
    ----------
    members : dict
        The members by name.
    """

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = dict(members)

    def take(self, name: str, default: Any = None) -> Any:
        """Return a member, or `default` if it is missing or null."""
        found = self._members.pop(name, None)
        return default if found is None else found

    def floats(self, name: str) -> np.ndarray[Any, Any]:
        """Return a list of doubles; empty if it is missing."""
        return numbers(self.take(name, []), "<f8")

    def ints(self, name: str) -> np.ndarray[Any, Any]:
        """Return a list of integers; empty if it is missing."""
        return numbers(self.take(name, []), "<i4").astype(np.int64)

    def done(self) -> None:
        """Refuse members that were not read."""
        left = sorted(name for name, value in self._members.items() if value is not None)
        if left:
            raise CannotExport(f"its definition has the member {left[0]!r}, which the export does not know")


def numbers(value: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Return the numbers of a definition, in both of their forms."""
    if isinstance(value, dict):
        return np.frombuffer(base64.b64decode(value["base64"]), dtype=dtype)
    return np.asarray(value, dtype=dtype)


class Step:
    """One stage while its operators are appended.

    Parameters
    ----------
    graph : Graph
        The graph.
    stage : Stage
        The native stage.
    inputs : list of str
        The names of the columns that it reads.
    column : callable
        Returns a column by its name, with the kind and the size that it has if it is an input of the graph.
    members : dict
        The members of its definition.
    """

    def __init__(
        self,
        graph: Graph,
        stage: Any,
        inputs: Sequence[str],
        column: Callable[[str, Kind, int | None], Column],
        members: dict[str, Any],
    ) -> None:
        self.graph = graph
        self.stage = stage
        self.inputs = list(inputs)
        self.members = Members(members)
        self.policy = stage._value("handleInvalid") if stage.hasParam("handleInvalid") else "error"
        self._column = column
        self._refused: set[str] = set()
        self._made: list[Column] = []
        self._null: str | None = None

    def any(self, place: int, kind: Kind, size: int | None = None) -> Column:
        """Return an input column of any kind. `kind` and `size` are those of an input of the graph that nobody declared."""
        column = self._column(self.inputs[place], kind, size)
        self._refused |= column.refused
        return column

    def number(self, place: int) -> Column:
        """Return an input column as doubles."""
        column = self.graph.doubles(self.any(place, "number"))
        if column.kind != "number":
            raise CannotExport(self._misread(place, column, "numbers"))
        return column

    def vector(self, place: int, size: int | None = None) -> Column:
        """Return an input column of vectors, of the given size. A null is rejected."""
        column = self.any(place, "vector", size)
        if column.kind != "vector":
            raise CannotExport(self._misread(place, column, "vectors"))
        if size is not None and column.size != size:
            raise CannotExport(
                f"column `{self.inputs[place]}` has vectors of size {column.size}, and the fitted stage needs {size}; if "
                "one of the columns in them holds vectors, give their size with `inputs`"
            )
        self.reject(column.null)
        return column

    def _misread(self, place: int, column: Column, what: str) -> str:
        held = {"long": "numbers", "number": "numbers", "string": "strings", "vector": "vectors"}[column.kind]
        advice = '; set `inputs` to its type: "string", "double", "long", or the size of its vectors'
        return f"column `{self.inputs[place]}` must hold {what}, but it holds {held}{advice}"

    def filled(self, column: Column, value: float) -> str:
        """Return the values of a column with a number for null."""
        return column.tensor if column.null is None else self.graph.where(column.null, value, column.tensor)

    def reject(self, flags: str | None) -> None:
        """Note rows that the stage cannot process. If they stay, all its columns are null."""
        self._null = self.graph.any_of([self._null, self.reject_cells(flags)])

    def reject_cells(self, flags: str | None) -> str | None:
        """Note cells of one column that the stage cannot process. Return the flags if these rows stay with a null."""
        if flags is not None and self.policy != "keep":
            self._refused.add(flags)
            return None
        return flags

    def refuse(self, flags: str) -> None:
        """Note rows that are an error under every policy."""
        self._refused.add(flags)

    def give(
        self,
        tensor: str,
        kind: Kind = "vector",
        size: int = 1,
        *,
        null: str | None = None,
        levels: Sequence[str] | None = None,
    ) -> None:
        """Add an output column. It is also null where rows were rejected and stay."""
        names = None if levels is None else tuple(levels)
        self._made.append(Column(tensor, kind, size, null, levels=names))

    def columns(self) -> list[Column]:
        """Return the output columns."""
        self.members.done()
        refused = frozenset(self._refused)
        return [
            replace(column, null=self.graph.any_of([column.null, self._null]), refused=refused)
            for column in self._made
        ]
