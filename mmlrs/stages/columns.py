"""Select, drop and rename columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.engine.expr import Expr, Node, Source, sources_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["DropColumns", "RenameColumn", "SelectColumns"]


def _with_remaining_lineage(df: DataFrame, result: Any) -> Any:
    """Return `result` with the lineage of the columns of `df` whose sources it still has."""
    from mmlrs.engine import spark

    names = set(result.columns)
    lineage = {n: e for n, e in spark.lineage_of(df).items() if n in names and sources_of(e) <= names}
    return spark.with_lineage(result, lineage)


class SelectColumns(_generated.SelectColumns):
    __doc__ = _generated.SelectColumns.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        names = self._inputs(df)
        return _with_remaining_lineage(df, df.select(*[spark.quoted(name) for name in names]))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.select(self._inputs(table))


class DropColumns(_generated.DropColumns):
    __doc__ = _generated.DropColumns.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return _with_remaining_lineage(df, df.drop(*self._inputs(df)))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.drop_columns(self._inputs(table))


class RenameColumn(_generated.RenameColumn):
    __doc__ = _generated.RenameColumn.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        (old,), (new,) = self._inputs(df), self._columns("output")
        lineage = _renamed(spark.lineage_of(df), old, new)
        return spark.with_lineage(df.withColumnsRenamed({old: new}), lineage)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        (old,), (new,) = self._inputs(table), self._columns("output")
        return table.rename_columns([new if n == old else n for n in table.column_names])


def _renamed(lineage: dict[str, Expr], old: str, new: str) -> dict[str, Expr]:
    """Return the lineage with a column renamed. Nodes that expressions share stay shared, or a chain would grow exponentially."""
    nodes: dict[int, Node] = {}

    def renamed(expr: Expr) -> Expr:
        if isinstance(expr, Source):
            return replace(expr, column=new) if expr.column == old else expr
        node = expr.node
        if id(node) not in nodes:
            nodes[id(node)] = replace(node, inputs=tuple((name, renamed(e)) for name, e in node.inputs))
        return replace(expr, node=nodes[id(node)])

    return {new if name == old else name: renamed(expr) for name, expr in lineage.items()}
