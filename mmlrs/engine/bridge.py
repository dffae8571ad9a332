"""Convert tables to Spark DataFrames and back, with vectors and attributes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.categories import ORIGIN, decoded
from mmlrs.engine.columns import Columns
from mmlrs.engine.fields import VECTOR, VECTOR_MEMBERS, attributes, is_vector_struct
from mmlrs.engine.select import without_views
from mmlrs.errors import ExecutionError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from mmlrs._stage import Stage
    from mmlrs._types import Transforms

__all__ = ["added_by", "collect", "on_table_or_spark", "through_spark", "to_spark", "with_metadata"]


def through_spark(stage: Stage, table: pa.Table, work: Callable[[Any], Any]) -> Any:
    """Run `work`, which needs Spark, on a table as a DataFrame of the active session."""
    from mmlrs.persistence import active_session

    session = active_session()
    if session is None:
        raise ExecutionError(
            f"{stage._stage}: needs Spark, and no Spark session is active; pass a Spark DataFrame or start a session"
        )
    Columns(table.column_names, stage._stage, session).check_unique()
    return work(to_spark(session, table))


def on_table_or_spark(owner: Stage, stage: Transforms, table: pa.Table) -> pa.Table:
    """Transform a table with a nested stage of `owner`. A stage of Spark ML runs in the active session."""
    from mmlrs.base import Transformer

    if not isinstance(stage, Transformer):
        return collect(through_spark(owner, table, stage.transform))
    result: pa.Table = stage.transform(table)
    return result


def added_by(stage: Stage, table: pa.Table, work: Callable[[Any], Any]) -> pa.Table:
    """Return a table with the columns that `work` adds to it as a DataFrame of the active session."""
    df = through_spark(stage, table, work)
    rows = collect(df)
    for name in [n for n in rows.column_names if n not in table.column_names]:
        table = table.append_column(rows.schema.field(name), rows[name])
    return with_metadata(table, _facts(df))


def _facts(df: DataFrame) -> dict[str, dict[str, Any]]:
    """Return the metadata of scored columns and of encoded columns."""
    return {f.name: f.metadata for f in df.schema if {"mmlrs", ORIGIN} & f.metadata.keys()}


def with_metadata(table: pa.Table, facts: dict[str, dict[str, Any]]) -> pa.Table:
    """Return the table with additional metadata, strings or JSON, in the fields of some columns."""
    fields = []
    for field in table.schema:
        added = {
            k.encode(): (v if isinstance(v, str) else json.dumps(v)).encode()
            for k, v in facts.get(field.name, {}).items()
        }
        fields.append(field.with_metadata({**(field.metadata or {}), **added}) if added else field)
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def to_spark(spark: SparkSession, data: pa.Table) -> Any:
    """Return a table as a DataFrame, with Spark ML vectors and the attributes of its columns."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted
    from mmlrs.engine.versions import arrow_udf, as_vector, frame_of

    def identity(array: pa.Array) -> pa.Array:
        return array

    data = decoded(data)
    to_vector = as_vector or arrow_udf(identity, returnType=VectorUDT())
    columns = [
        (to_vector(F.col(quoted(f.name))) if is_vector_struct(f.type) else F.col(quoted(f.name))).alias(
            f.name, metadata=attributes(f)
        )
        for f in data.schema
    ]
    for i in (i for i, f in enumerate(data.schema) if is_vector_struct(f.type)):
        data = _with_vectors(data, i)
    # In one chunk, because Spark may read only the first of several.
    return frame_of(spark, without_views(data).combine_chunks()).select(*columns)


def collect(df: DataFrame) -> pa.Table:
    """Return the rows of a DataFrame as a table, with vectors as structs and the metadata of scored columns."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql.types import StructField, StructType

    from mmlrs.engine.spark import quoted
    from mmlrs.engine.versions import table_of

    # pyarrow cannot cast a null struct whose members cannot be null, as pyspark does for a null vector.
    nullable = StructType([StructField(f.name, f.dataType) for f in VectorUDT.sqlType()])
    columns, vectors = [], []
    for i, field in enumerate(df.schema):
        column = F.col(quoted(field.name))
        if isinstance(field.dataType, VectorUDT):
            column = F.unwrap_udt(column).cast(nullable).alias(field.name)
            vectors.append(i)
        columns.append(column)
    table = table_of(df.select(*columns))
    for i in vectors:
        table = _with_vectors(table, i)
    return with_metadata(table, _facts(df))


def _with_vectors(table: pa.Table, i: int) -> pa.Table:
    """Return a table whose column `i`, of structs with the members of vectors, holds vectors."""
    chunks = [_vectors(chunk) for chunk in table.column(i).chunks]
    return table.set_column(i, table.schema.field(i).with_type(VECTOR), pa.chunked_array(chunks, VECTOR))


def _vectors(array: pa.StructArray) -> pa.StructArray:
    """Return structs with the members of vectors as vectors, whose `type` is never null."""
    kinds, *others = (array.field(name) for name in VECTOR_MEMBERS)
    return pa.StructArray.from_arrays(
        [kinds.fill_null(0), *others], fields=list(VECTOR), mask=array.is_null()
    )
