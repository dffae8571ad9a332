"""Select, drop and rename columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.engine.expr import Expr, Node, Source, sources_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructField

__all__ = ["DropColumns", "RenameColumn", "SelectColumns"]


def _with_remaining_lineage(df: DataFrame, result: DataFrame, fields: list[StructField]) -> DataFrame:
    """Return `result`, which has these columns of `df`, with the lineage of those columns whose sources it still has."""
    from mmlrs.engine import spark

    kept = {field.name for field in fields}
    lineage = {n: e for n, e in spark.lineage_of(df).items() if n in kept and sources_of(e) <= kept}
    return spark.with_lineage(result, lineage, fields)


class SelectColumns(_generated.SelectColumns):
    __doc__ = _generated.SelectColumns.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        names, fields = self._inputs(df), {field.name: field for field in spark.fields_of(df)}
        return _with_remaining_lineage(
            df, df.select(*[spark.quoted(name) for name in names]), [fields[name] for name in names]
        )

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.select(self._inputs(table))


class DropColumns(_generated.DropColumns):
    __doc__ = _generated.DropColumns.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from mmlrs.engine import spark

        dropped = self._inputs(df)
        kept = [field for field in spark.fields_of(df) if field.name not in dropped]
        return _with_remaining_lineage(df, df.drop(*dropped), kept)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table.drop_columns(self._inputs(table))


class RenameColumn(_generated.RenameColumn):
    __doc__ = _generated.RenameColumn.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql.types import StructField

        from mmlrs.engine import spark

        (old,), (new,) = self._inputs(df), self._columns("output")
        lineage = _renamed(spark.lineage_of(df), old, new)
        fields = [
            StructField(new, f.dataType, f.nullable, f.metadata) if f.name == old else f
            for f in spark.fields_of(df)
        ]
        return spark.with_lineage(df.withColumnsRenamed({old: new}), lineage, fields)

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
