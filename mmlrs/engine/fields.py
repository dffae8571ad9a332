"""Arrow fields of columns and their Spark counterparts: vectors, types, metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.categories import LEVELS, ORIGIN

if TYPE_CHECKING:
    from pyspark.sql.types import DataType

__all__ = [
    "VECTOR",
    "VECTOR_MEMBERS",
    "ColumnType",
    "attributes",
    "column_type",
    "is_text",
    "is_vector",
    "is_vector_struct",
    "spark_type",
]

#: The Arrow type of Spark ML vectors.
VECTOR = pa.struct(
    [
        pa.field("type", pa.int8(), nullable=False),
        pa.field("size", pa.int32()),
        pa.field("indices", pa.list_(pa.field("element", pa.int32(), nullable=False))),
        pa.field("values", pa.list_(pa.field("element", pa.float64(), nullable=False))),
    ]
)
#: The members of that struct, in Spark's order.
VECTOR_MEMBERS = tuple(field.name for field in VECTOR)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is one of the three types of strings."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_vector_struct(kind: pa.DataType) -> bool:
    """Return whether a type is the struct of Spark ML vectors."""
    return pa.types.is_struct(kind) and tuple(field.name for field in kind) == VECTOR_MEMBERS


def is_vector(field: pa.Field) -> bool:
    """Return whether a field holds Spark ML vectors, as structs or as lists of numbers."""
    return (field.metadata or {}).get(b"mmlrs.kind") == b"vector"


def attributes(field: pa.Field) -> dict[str, Any]:
    """Return the metadata of an Arrow field that its Spark column gets: Spark ML attributes and category levels."""
    metadata = field.metadata or {}
    known: dict[str, Any] = {"ml_attr": json.loads(metadata[b"ml_attr"])} if b"ml_attr" in metadata else {}
    return known | {
        key: metadata[key.encode()].decode() for key in (LEVELS, ORIGIN) if key.encode() in metadata
    }


@dataclass(frozen=True)
class ColumnType:
    """How Spark receives a column that a kernel computes.

    Parameters
    ----------
    arrow : pyarrow.DataType
        The type that the UDF returns.
    spark : DataType
        The Spark type of that.
    wrapped : bool
        Whether the lists of numbers are then converted to Spark ML vectors.
    column : DataType
        The Spark type of the column that users get.
    metadata : dict
        The metadata of the column.
    """

    arrow: pa.DataType
    spark: DataType
    wrapped: bool
    column: DataType
    metadata: dict[str, Any]


def column_type(field: pa.Field) -> ColumnType:
    """Return how Spark receives a column with an Arrow field."""
    wrapped = is_vector(field) and not is_vector_struct(field.type)
    spark = spark_type(field.type)
    column = spark_type(VECTOR) if wrapped else spark
    return ColumnType(_spark_arrow(field.type), spark, wrapped, column, attributes(field))


def spark_type(kind: pa.DataType) -> DataType:
    """Return the Spark type of an Arrow type; fixed-size lists are arrays."""
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import StructField, StructType

    from mmlrs.engine.versions import from_arrow_type

    if is_vector_struct(kind):
        return VectorUDT()
    if pa.types.is_struct(kind):
        return StructType([StructField(f.name, spark_type(f.type), f.nullable) for f in kind])
    return from_arrow_type(_spark_arrow(kind))


def _spark_arrow(kind: pa.DataType) -> pa.DataType:
    """Return the Arrow type that Spark accepts for an Arrow type."""
    if is_vector_struct(kind):
        return VECTOR
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_spark_arrow(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _spark_arrow(f.type)) for f in kind])
    return kind
