"""DataFrames that older versions of PySpark cannot make themselves. Only `mmlrs.engine.versions` imports this module."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["frame_of", "readable", "repartitioned_by_id"]


def frame_of(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return a table as a DataFrame of a classic session, as `createDataFrame` of PySpark 4.0 does."""
    from pyspark.sql.dataframe import DataFrame
    from pyspark.sql.pandas.serializers import ArrowStreamSerializer
    from pyspark.sql.pandas.types import from_arrow_type

    session: Any = spark
    zone = session.conf.get("spark.sql.session.timeZone")
    naive = session.conf.get("spark.sql.timestampType", "TIMESTAMP_LTZ") == "TIMESTAMP_NTZ"
    fields, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = readable(field.type)
        timestamps = pa.types.is_timestamp(kind)
        values = column if kind == column.type else column.cast(kind, safe=not timestamps)
        if timestamps and kind.tz is None and not naive:
            local = pc.assume_timezone(values, zone, ambiguous="earliest", nonexistent="earliest")
            kind = pa.timestamp("us", "UTC")
            values = local.cast(kind)
        fields.append(pa.field(field.name, kind, field.nullable))
        columns.append(values)
    schema = T.StructType(
        [
            T.StructField(f.name, from_arrow_type(f.type, prefer_timestamp_ntz=True), f.nullable)
            for f in fields
        ]
    )
    rows = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    size = int(session.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch"))
    batches = rows.to_batches(max_chunksize=size if size > 0 else None)
    jvm = session._jvm
    iterator = session._sc._serialize_to_jvm(
        batches,
        ArrowStreamSerializer(),
        jvm.PythonSQLUtils.readArrowStreamFromFile,
        jvm.ArrowIteratorServer,
    )
    return DataFrame(jvm.PythonSQLUtils.toDataFrame(iterator, schema.json(), session._jsparkSession), spark)


def readable(kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type that the JVM reads for an Arrow type."""
    if pa.types.is_dictionary(kind):
        return readable(kind.value_type)
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", None if kind.tz is None else "UTC")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(readable(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(readable(field.type)) for field in kind])
    return kind


def repartitioned_by_id(df: DataFrame, count: int, partition: Column) -> DataFrame:
    """Return a DataFrame with each row in the partition of this number: that to which Spark hashes a key."""
    keys = F.from_json(F.lit(str(_keys(count))), "array<int>")
    return df.repartition(count, keys[partition])


@lru_cache(16)
def _keys(count: int) -> list[int]:
    """Return for each partition the smallest integer that Spark hashes to it."""
    keys = np.full(count, -1, np.int64)
    start = 0
    while (keys < 0).any():
        numbers = np.arange(start, start + 8 * count, dtype=np.uint32)
        start += 8 * count
        partitions = _spark_hash(numbers).astype(np.int64) % count
        found, first = np.unique(partitions, return_index=True)
        free = keys[found] < 0
        keys[found[free]] = numbers[first[free]]
    return [int(key) for key in keys]


def _spark_hash(numbers: Any) -> Any:
    """Return Spark's hash of 32-bit integers: Murmur3 with seed 42, without the step for the bytes of a remainder."""

    def rotated(values: Any, by: int) -> Any:
        return (values << np.uint32(by)) | (values >> np.uint32(32 - by))

    mixed = rotated(numbers * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
    state = rotated(np.uint32(42) ^ mixed, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    state ^= np.uint32(4)
    state = (state ^ (state >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return (state ^ (state >> np.uint32(16))).view(np.int32)
