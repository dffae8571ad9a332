"""The columns of a dataset: looking up names, and checking that new names are free."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.expr import Expr, Source
from mmlrs.errors import ColumnNotFoundError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from mmlrs._types import FrameOrTable

__all__ = ["FIELDS", "Columns", "written_twice", "wrong_type"]

#: The attribute in which a DataFrame carries the fields of its schema.
FIELDS = "_mmlrs_fields"

#: Maximum number of columns that a message lists.
_SHOWN = 12


def wrong_type(owner: str, column: str, kind: object, expected: str) -> SchemaMismatchError:
    """Return the error for a column of another type than a stage or function reads."""
    return SchemaMismatchError(f"{owner}: column `{column}`: has type {kind}; expected {expected}")


def written_twice(owner: str, column: str) -> SchemaMismatchError:
    """Return the error for two output columns of one name."""
    return SchemaMismatchError(
        f"{owner}: column `{column}`: would be written twice; give each output column a name of its own"
    )


@dataclass(frozen=True)
class Columns:
    """The names of a dataset's columns.

    Parameters
    ----------
    names : list of str
        The names in order.
    owner : str
        The stage or function that errors name.
    session : SparkSession, optional
        The session whose setting `spark.sql.caseSensitive` decides whether names match regardless of case. Without a
        session, as for tables, names are exact.
    """

    names: list[str]
    owner: str
    session: SparkSession | None = None

    @classmethod
    def of(cls, dataset: FrameOrTable, owner: str) -> Columns:
        """Return the columns of a `pyarrow.Table` or a Spark DataFrame."""
        if isinstance(dataset, pa.Table):
            return cls(dataset.column_names, owner)
        fields = vars(dataset).get(FIELDS)
        names = dataset.columns if fields is None else [field.name for field in fields]
        return cls(list(names), owner, dataset.sparkSession)

    @cached_property
    def _ignores_case(self) -> bool:
        if self.session is None:
            return False
        return str(self.session.conf.get("spark.sql.caseSensitive", "false")).lower() != "true"

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        by_key: dict[str, list[str]] = {}
        for name in self.names:
            by_key.setdefault(name.lower(), []).append(name)
        return by_key

    @cached_property
    def has_alike(self) -> bool:
        """Whether some names are equal, or differ only in case."""
        return len(self._by_key) < len(self.names)

    def _matches(self, name: str) -> list[str]:
        """Return the columns called `name`. The setting, a call to the server on Connect, is read only if it matters."""
        alike = self._by_key.get(name.lower(), [])
        if all(other == name for other in alike) or self._ignores_case:
            return alike
        return [other for other in alike if other == name]

    def is_unique(self, name: str) -> bool:
        """Return whether exactly one column is called `name`."""
        return len(self._matches(name)) == 1

    def same(self, left: str, right: str) -> bool:
        """Return whether two names mean the same column."""
        return left == right or (left.lower() == right.lower() and self._ignores_case)

    def get(self, name: str) -> str | None:
        """Return the first column called `name`, as the dataset spells it, or None."""
        return next(iter(self._matches(name)), None)

    def resolve(self, name: str) -> str:
        """Return the column called `name`, as the dataset spells it.

        Raises
        ------
        ColumnNotFoundError
            There is no such column.
        SchemaMismatchError
            Several columns have the name.
        """
        matches = self._matches(name)
        if not matches:
            near = _native.nearest(name, self.names)
            hint = "" if near is None else f" (did you mean `{near}`?)"
            raise ColumnNotFoundError(
                f"{self.owner}: column `{name}`: not found{hint}; the columns are {_listed(self.names)}"
            )
        if len(matches) > 1:
            raise self._ambiguous(name, matches)
        return matches[0]

    def resolve_all(self, names: Iterable[str]) -> list[str]:
        """Return the columns called `names`, each as `resolve` does."""
        return [self.resolve(name) for name in names]

    def check_unique(self) -> None:
        """Raise if two columns have the same name, for a stage that reads or names all columns."""
        self.resolve_all(self.names)

    def check_new(self, names: Iterable[str]) -> None:
        """Raise if a column to add already exists, or two have the same name.

        Raises
        ------
        SchemaMismatchError
            A column exists, or is named twice; the message names the first.
        """
        seen: set[str] = set()
        for name in names:
            if self._matches(name):
                raise self.taken(name)
            if name in seen:
                raise written_twice(self.owner, name)
            seen.add(name)

    def taken(
        self, name: str, advice: str = "; name another output column, or drop this one first"
    ) -> SchemaMismatchError:
        """Return the error for a column to add that already exists; `advice` ends the message."""
        return SchemaMismatchError(f"{self.owner}: column `{name}` already exists{advice}")

    def bind(
        self, names: Iterable[str], lineage: Mapping[str, Expr], vectors: Collection[str] = ()
    ) -> tuple[tuple[str, Expr], ...]:
        """Bind a stage's input columns: to their expressions in the lineage, else to the plain columns.

        `vectors` are the inputs whose Spark ML vectors are passed unchanged.
        """
        bound = [(name, self.resolve(name)) for name in names]
        return tuple((name, lineage.get(column, Source(column, name in vectors))) for name, column in bound)

    def _ambiguous(self, name: str, matches: list[str]) -> SchemaMismatchError:
        if len(set(matches)) == 1:
            return SchemaMismatchError(
                f"{self.owner}: column `{name}`: {len(matches)} columns have this name; rename all but one, or drop them"
            )
        return SchemaMismatchError(
            f"{self.owner}: column `{name}`: matches {_listed(matches)}; rename all but one, or set "
            "spark.sql.caseSensitive to true"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(f"`{n}`" for n in names[:_SHOWN]) or "none") + more
