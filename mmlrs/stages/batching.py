"""Gather rows into batches, and flatten batches into rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs.base import PythonTransformer
from mmlrs.engine.batches import ArrivingBatches, FixedBatches, Flattened, TimedBatches, batch_schema, is_list
from mmlrs.engine.columns import Columns
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = [
    "DynamicMiniBatchTransformer",
    "FixedMiniBatchTransformer",
    "FlattenBatch",
    "TimeIntervalMiniBatchTransformer",
]

Work = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class _MiniBatches(PythonTransformer):
    """The base class of the mini-batch stages."""

    @abstractmethod
    def _work(self) -> Work:
        """Return the function that makes batches of the rows of a partition."""

    def _table_work(self) -> Work:
        """Return the function that makes batches of a table, which has all rows at once."""
        return self._work()

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql.types import ArrayType, StructField, StructType

        from mmlrs.engine.projection import mapped

        _check_columns(self._stage, df.columns)
        _check_travels(self._stage, df)
        fields = [StructField(f.name, ArrayType(f.dataType), True, f.metadata) for f in df.schema]
        return mapped(df, self._work(), StructType(fields))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        _check_columns(self._stage, table.column_names)
        batches = self._table_work()(table.to_batches())
        return pa.Table.from_batches(batches, schema=batch_schema(table.schema))


def _check_columns(stage: str, columns: list[str]) -> None:
    if not columns:
        raise SchemaMismatchError(f"{stage}: the dataset has no columns, so its rows cannot be batched")


def _check_travels(stage: str, df: DataFrame) -> None:
    """Raise on a column of a type that Spark cannot pass to Python."""
    from mmlrs.engine.versions import to_arrow_type

    for field in df.schema:
        try:
            to_arrow_type(field.dataType, timezone="UTC")
        except Exception as error:  # noqa: BLE001 - pyspark raises many classes of errors
            kind = field.dataType.simpleString()
            raise SchemaMismatchError(f"{stage}: column `{field.name}`: has type {kind}: {error}") from None


class FixedMiniBatchTransformer(_MiniBatches, _generated.FixedMiniBatchTransformer):
    __doc__ = _generated.FixedMiniBatchTransformer.__doc__
    __module__ = "mmlrs.stages"

    def _work(self) -> Work:
        return FixedBatches(self.getBatchSize())


class DynamicMiniBatchTransformer(_MiniBatches, _generated.DynamicMiniBatchTransformer):
    __doc__ = _generated.DynamicMiniBatchTransformer.__doc__
    __module__ = "mmlrs.stages"

    def _work(self) -> Work:
        return ArrivingBatches(self.getMaxBatchSize())


class TimeIntervalMiniBatchTransformer(_MiniBatches, _generated.TimeIntervalMiniBatchTransformer):
    __doc__ = _generated.TimeIntervalMiniBatchTransformer.__doc__
    __module__ = "mmlrs.stages"

    def _work(self) -> Work:
        return TimedBatches(self.getMaxBatchSize(), self._value("millisToWait") / 1000)

    def _table_work(self) -> Work:
        return FixedBatches(self.getMaxBatchSize())


class FlattenBatch(_generated.FlattenBatch):
    __doc__ = _generated.FlattenBatch.__doc__
    __module__ = "mmlrs.stages"

    def _places(self, dataset: FrameOrTable, kinds: list[tuple[str, bool, str]]) -> tuple[int, ...]:
        """Return the indices of the columns to flatten. `kinds` has the name of each column, whether it is a list, and its type."""
        names = [name for name, _, _ in kinds]
        cols = self.getCols()
        if cols is None:
            places = [i for i, (_, listed, _) in enumerate(kinds) if listed]
        else:
            resolved = dict.fromkeys(Columns.of(dataset, self._stage).resolve_all(cols))
            places = [names.index(name) for name in resolved]
        for name, listed, kind in (kinds[i] for i in places):
            if not listed:
                raise SchemaMismatchError(
                    f"{self._stage}: column `{name}`: has type {kind}; {self._stage} reads array"
                )
        if not places:
            raise SchemaMismatchError(f"{self._stage}: the dataset has no array column to flatten")
        return tuple(places)

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql.types import ArrayType, StructField, StructType

        from mmlrs.engine.projection import mapped

        kinds = [(f.name, isinstance(f.dataType, ArrayType), f.dataType.simpleString()) for f in df.schema]
        places = self._places(df, kinds)
        _check_travels(self._stage, df)
        fields = [
            StructField(f.name, f.dataType.elementType, True, f.metadata)
            if i in places and isinstance(f.dataType, ArrayType)
            else f
            for i, f in enumerate(df.schema)
        ]
        return mapped(df, Flattened(self._stage, places, "batch"), StructType(fields))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        kinds = [(f.name, is_list(f.type), str(f.type)) for f in table.schema]
        work = Flattened(self._stage, self._places(table, kinds), "table")
        return pa.Table.from_batches(work(table.to_batches()), schema=work.schema(table.schema))
