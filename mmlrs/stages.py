"""General stages of a pipeline."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.engine.expr import Expr, Source, Value, resolve
from mmlrs.errors import SchemaMismatchError

__all__ = ["DropColumns", "RenameColumn", "SelectColumns"]


def _sources(expr: Expr) -> set[str]:
    """Return the plain columns behind an expression."""
    if isinstance(expr, Source):
        return {expr.column}
    return set().union(*(_sources(e) for _, e in expr.node.inputs))


def _keep(df: Any, names: list[str]) -> Any:
    """Select columns; native columns whose sources stay remain part of the single pass."""
    from mmlrs.engine import spark

    kept = set(names)
    lineage = {n: e for n, e in spark.lineage_of(df).items() if n in kept and _sources(e) <= kept}
    return spark.with_lineage(df.select(*[spark._quoted(n) for n in names]), lineage)


class SelectColumns(_generated.SelectColumns):
    __doc__ = _generated.SelectColumns.__doc__
    __module__ = "mmlrs.stages"

    def _names(self, columns: list[str], *, ignore_case: bool) -> list[str]:
        return [resolve(n, columns, self._stage, ignore_case=ignore_case) for n in self._columns("input")]

    def _transform_spark(self, df: Any) -> Any:
        return _keep(df, self._names(df.columns, ignore_case=True))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.select(self._names(table.column_names, ignore_case=False))


class DropColumns(_generated.DropColumns):
    __doc__ = _generated.DropColumns.__doc__
    __module__ = "mmlrs.stages"

    def _names(self, columns: list[str], *, ignore_case: bool) -> list[str]:
        drop = {resolve(n, columns, self._stage, ignore_case=ignore_case) for n in self._columns("input")}
        return [n for n in columns if n not in drop]

    def _transform_spark(self, df: Any) -> Any:
        return _keep(df, self._names(df.columns, ignore_case=True))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.select(self._names(table.column_names, ignore_case=False))


class RenameColumn(_generated.RenameColumn):
    __doc__ = _generated.RenameColumn.__doc__
    __module__ = "mmlrs.stages"

    def _names(self, columns: list[str], *, ignore_case: bool) -> tuple[str, str]:
        old = resolve(self.getInputCol(), columns, self._stage, ignore_case=ignore_case)
        new = self.getOutputCol()
        others = [n.lower() if ignore_case else n for n in columns if n != old]
        if (new.lower() if ignore_case else new) in others:
            raise SchemaMismatchError(f"{self._stage}: column `{new}`: exists already")
        return old, new

    def _transform_spark(self, df: Any) -> Any:
        from mmlrs.engine import spark

        old, new = self._names(df.columns, ignore_case=True)
        lineage = {
            new if name == old else name: _renamed(expr, old, new) for name, expr in spark.lineage_of(df).items()
        }
        return spark.with_lineage(df.withColumnsRenamed({old: new}), lineage)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        old, new = self._names(table.column_names, ignore_case=False)
        return table.rename_columns([new if n == old else n for n in table.column_names])


def _renamed(expr: Expr, old: str, new: str) -> Expr:
    """Return the expression over data in which a plain column has another name."""
    if isinstance(expr, Source):
        return Source(new) if expr.column == old else expr
    node = expr.node
    inputs = tuple((name, _renamed(e, old, new)) for name, e in node.inputs)
    return Value(type(node)(node.stage, node.uid, node.params, inputs, node.blobs), expr.column, expr.what)
