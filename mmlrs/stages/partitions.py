"""Partitions, caches and checkpoints of DataFrames. Tables have none of these and are returned unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Cacher", "CheckpointData", "PartitionConsolidator", "Repartition", "StratifiedRepartition"]


class Cacher(_generated.Cacher):
    __doc__ = _generated.Cacher.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return df if self.getDisable() or df.isStreaming else df.cache()

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table


class CheckpointData(_generated.CheckpointData):
    __doc__ = _generated.CheckpointData.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return df if df.isStreaming else df.localCheckpoint(self.getEager())

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table


class Repartition(_generated.Repartition):
    __doc__ = _generated.Repartition.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return df if self.getDisable() else df.repartition(self.getN())

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table


class PartitionConsolidator(_generated.PartitionConsolidator):
    __doc__ = _generated.PartitionConsolidator.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        return df.coalesce(self.getN())

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return table


class StratifiedRepartition(_generated.StratifiedRepartition):
    __doc__ = _generated.StratifiedRepartition.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        """Number the rows of each label in random order from a start that depends on the label, and distribute them."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F
        from pyspark.sql.types import DoubleType, FloatType

        from mmlrs.engine import spark
        from mmlrs.engine.versions import repartitioned_by_id

        [name] = self._inputs(df)
        kind = df.schema[name].dataType
        if not _sortable(kind):
            raise SchemaMismatchError(
                f"{self._stage}: column `{name}`: has type {kind.simpleString()}, which cannot be sorted"
            )
        label = F.col(spark.quoted(name))
        if isinstance(kind, DoubleType | FloatType):
            label = label + F.lit(0.0)  # -0.0 becomes 0.0
        parts = self.getN() or int(df.sparkSession.conf.get("spark.sql.shuffle.partitions") or 200)
        start = F.pmod(F.xxhash64(label, F.lit(self.getSeed())), F.lit(parts))
        place = F.row_number().over(Window.partitionBy(label).orderBy(_RANDOM)) + start
        numbered = df.select("*", F.rand(self.getSeed()).alias(_RANDOM)).select("*", place.alias(_PLACE))
        part = F.pmod(F.col(_PLACE), F.lit(parts)).cast("int")
        return repartitioned_by_id(numbered, parts, part).drop(_RANDOM, _PLACE)

    def _transform_table(self, table: pa.Table) -> pa.Table:
        self._inputs(table)
        return table


_RANDOM, _PLACE = "__mmlrs_random__", "__mmlrs_place__"


def _sortable(kind: Any) -> bool:
    """Return whether Spark can sort values of this type."""
    from pyspark.sql.types import ArrayType, MapType, StructType

    from mmlrs.engine.versions import CalendarIntervalType, VariantType

    if isinstance(kind, StructType):
        return all(_sortable(field.dataType) for field in kind)
    if isinstance(kind, ArrayType):
        return _sortable(kind.elementType)
    return not isinstance(kind, MapType | VariantType | CalendarIntervalType)
