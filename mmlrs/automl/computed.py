"""Columns of networks and other row-wise stages, which a search computes once for all folds and trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mmlrs.automl.rowwise import lowered
from mmlrs.automl.steps import Node, RowwiseStep
from mmlrs.train.scored import METADATA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Computed", "families", "selected"]


def families(nodes: Iterable[Node]) -> list[list[Node]]:
    """Return the nodes of row-wise steps in groups, so that each network belongs to one group."""
    groups: list[tuple[set[Any], list[Node]]] = []
    for node in nodes:
        networks, members = node.rowwise.networks(), [node]
        related = [group for group in groups if not networks.isdisjoint(group[0])]
        for group in related:
            groups.remove(group)
            networks, members = networks | group[0], [*group[1], *members]
        groups.append((networks, members))
    return [members for _, members in groups]


def selected(frame: DataFrame, names: set[str] | None) -> list[str]:
    """Return the columns of a frame with these names, or all columns for None.

    Columns are kept that a model has marked as its scores or as their label, because the metrics read them.
    """
    if names is None:
        return list(frame.columns)
    wanted = lowered(part for name in names for part in (name, name.split(".")[0]))
    return [f.name for f in frame.schema.fields if f.name.lower() in wanted or METADATA in f.metadata]


@dataclass
class Computed:
    """A frame with the columns that several row-wise steps add, each computed once for all of them.

    Parameters
    ----------
    rows : pyspark.sql.DataFrame
        The rows of the dataset.
    prefix : str
        How the names of the computed columns begin, because several steps may give theirs the same name.
    """

    rows: DataFrame
    prefix: str
    #: For each step, by key: its own names of its columns, by their names in the frame.
    names: dict[Any, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.frame = self.rows

    def add(self, step: RowwiseStep) -> None:
        """Add the columns of a step. What it shares with the steps before it is not computed again."""
        result = step.transform(self.frame)
        own = result.columns[len(self.frame.columns) :]
        names = {f"{self.prefix}_{len(self.names)}_{i}": name for i, name in enumerate(own)}
        self.frame = result.withColumnsRenamed({name: inner for inner, name in names.items()})
        self.names[step.key] = names

    def narrow(self, read: dict[Any, set[str] | None]) -> None:
        """Drop the columns that are not read. `read` has the names that are read after each step, None for all."""
        kept = {name for names in read.values() for name in selected(self.rows, names)}
        for key, names in read.items():
            wanted = None if names is None else lowered(names)
            own = self.names[key].items()
            self.names[key] = {at: name for at, name in own if wanted is None or name.lower() in wanted}
        kept.update(inner for names in self.names.values() for inner in names)
        self.frame = self.frame.drop(*[name for name in self.frame.columns if name not in kept])

    def of(self, step: RowwiseStep, frame: DataFrame) -> DataFrame:
        """Return the columns of the dataset and those of a step, the latter under their own names.

        `frame` is the frame of this object, cached.
        """
        names = self.names[step.key]
        others = [inner for key in self.names if key != step.key for inner in self.names[key]]
        return frame.drop(*others).withColumnsRenamed(names)
