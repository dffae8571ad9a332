"""The differences between PySpark versions. No other module of mmlrs depends on the version.

From PySpark 4.2 on, `arrow_udf` and `to_arrow_type` are PySpark's own functions, so they cost nothing.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyspark

from mmlrs.errors import ExecutionError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = [
    "ARROW_UDF",
    "CONNECT_SINCE",
    "CalendarIntervalType",
    "SQL_VECTORS",
    "VERSION",
    "VariantType",
    "arrow_udf",
    "as_vector",
    "condition_of",
    "eval_types",
    "frame_of",
    "from_arrow_type",
    "repartitioned_by_id",
    "schema_of",
    "send_file",
    "sql_udf",
    "table_of",
    "threads_inherit",
    "to_arrow_type",
    "typed",
    "without_column",
]

#: The first version that mmlrs supports, and the first later one that it does not.
_FIRST, _END = (3, 5), (5, 0)
#: The version of the installed PySpark.
VERSION = tuple(int(part) for part in re.findall(r"\d+", pyspark.__version__)[:2])
#: The first version of PySpark whose Spark Connect mmlrs supports.
CONNECT_SINCE = "4.0"

if not _FIRST <= VERSION < _END:
    # On import, so that the first use of Spark fails, and tables work with any version.
    raise ExecutionError(
        f"mmlrs needs PySpark {_FIRST[0]}.{_FIRST[1]} to 4.x for Spark DataFrames, and PySpark {pyspark.__version__} is "
        f"installed; install another version: pip install 'pyspark>={_FIRST[0]}.{_FIRST[1]},<{_END[0]}'"
    )

# The imports follow the check, because an unsupported version may not have these modules.
import pyspark.sql.pandas.functions as _functions  # noqa: E402
import pyspark.sql.pandas.types as _types  # noqa: E402
import pyspark.sql.types as _sql_types  # noqa: E402

from mmlrs.engine import old_frames, pandas_arrow  # noqa: E402

# -- types ------------------------------------------------------------------------------------------------------------


class _NoType:
    """A type of Spark that this version does not have."""


#: Semi-structured values, since 4.0.
VariantType: Any = getattr(_sql_types, "VariantType", _NoType)
#: Intervals of months, days and microseconds, since 4.0.
CalendarIntervalType: Any = getattr(_sql_types, "CalendarIntervalType", _NoType)


def _to_arrow_type(kind: Any, *, timezone: str | None = None) -> pa.DataType:
    """Replace `to_arrow_type` of PySpark 4.2, whose timestamps are in the time zone of the session."""
    return _in_zone(_types.to_arrow_type(kind), timezone)


def _in_zone(kind: pa.DataType, zone: str | None) -> pa.DataType:
    """Return an Arrow type with its timestamps in another time zone."""

    def field(one: pa.Field) -> pa.Field:
        return one.with_type(_in_zone(one.type, zone))

    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, zone)
    if pa.types.is_list(kind):
        return pa.list_(field(kind.value_field))
    if pa.types.is_map(kind):
        return pa.map_(field(kind.key_field), field(kind.item_field))
    if pa.types.is_struct(kind):
        return pa.struct([field(one) for one in kind])
    return kind


_HAS_ZONE = "timezone" in inspect.signature(_types.to_arrow_type).parameters
#: `to_arrow_type(kind, *, timezone)` of PySpark.
to_arrow_type: Any = _types.to_arrow_type if _HAS_ZONE else _to_arrow_type


def from_arrow_type(kind: pa.DataType) -> Any:
    """Return the Spark type of an Arrow type; naive timestamps are TIMESTAMP_NTZ, as is the default since 4.2."""
    if not ARROW_UDF:
        kind = old_frames.readable(kind)
    return _types.from_arrow_type(kind, prefer_timestamp_ntz=True)


# -- functions --------------------------------------------------------------------------------------------------------

#: Whether Spark has scalar Arrow UDFs, since 4.1. They are pandas UDFs before.
ARROW_UDF = hasattr(_functions, "arrow_udf")
#: Whether SQL functions return Spark ML vectors. A pandas UDF cannot, so they are `array<float>` before 4.1.
SQL_VECTORS = ARROW_UDF

#: `arrow_udf(function, returnType)` of PySpark.
arrow_udf: Any
#: `sql_udf(function, returnType)`: a UDF to register for SQL.
sql_udf: Any
#: Adds to the arguments of an `arrow_udf` the types of the columns, or None if the UDF does not need them.
typed: Any
#: Converts a column of the structs of Spark ML vectors to vectors, or None if UDFs return vectors.
as_vector: Any

if ARROW_UDF:
    arrow_udf = sql_udf = _functions.arrow_udf
    typed = as_vector = None
else:
    arrow_udf, sql_udf = pandas_arrow.arrow_udf, pandas_arrow.sql_udf
    typed, as_vector = pandas_arrow.typed, pandas_arrow.as_vector


def schema_of(ddl: str) -> Any:
    """Return the schema that a text such as "label string" describes; `StructType.fromDDL` exists since 4.0."""
    if hasattr(_sql_types.StructType, "fromDDL"):
        return _sql_types.StructType.fromDDL(ddl)
    return _sql_types._parse_datatype_string(ddl)


def eval_types() -> Any:
    """Return PySpark's constants of the kinds of UDFs."""
    from pyspark import util

    if hasattr(util, "PythonEvalType"):
        return util.PythonEvalType
    from pyspark import rdd

    return vars(rdd)["PythonEvalType"]


# -- DataFrames and sessions ------------------------------------------------------------------------------------------


def table_of(df: DataFrame) -> pa.Table:
    """Return the rows of a DataFrame; `toArrow` exists since 4.0."""
    frame: Any = df
    if hasattr(frame, "toArrow"):
        return frame.toArrow()
    fields = [pa.field(f.name, to_arrow_type(f.dataType, timezone="UTC"), f.nullable) for f in df.schema]
    batches = frame._collect_as_arrow()
    schema = pa.schema(fields)
    return pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()


def frame_of(spark: SparkSession, table: pa.Table) -> DataFrame:
    """Return a table as a DataFrame; `createDataFrame` accepts tables since 4.0."""
    if VERSION >= (4, 0):
        if not table.num_rows:  # of which Spark Connect accepts no table
            schema = _sql_types.StructType(
                [_sql_types.StructField(f.name, from_arrow_type(f.type), f.nullable) for f in table.schema]
            )
            return spark.createDataFrame([], schema)
        return spark.createDataFrame(table)
    return old_frames.frame_of(spark, table)


def send_file(session: SparkSession, path: str) -> None:
    """Send a file to all nodes; `addArtifacts` accepts classic sessions since 4.0."""
    if VERSION >= (4, 0):
        session.addArtifacts(path, file=True)
    else:
        session.sparkContext.addFile(path)


def without_column(df: DataFrame, name: str, *added: Column) -> DataFrame:
    """Return a DataFrame without a column and with added columns; older versions have no `* EXCEPT (name)`."""
    from pyspark.sql import functions as F

    if _HAS_ZONE:  # since 4.2
        return df.select(F.expr(f"* EXCEPT ({name})"), *added)
    return df.select("*", *added).drop(name)


def repartitioned_by_id(df: DataFrame, count: int, partition: Column) -> DataFrame:
    """Return a DataFrame with each row in the partition of this number; `repartitionById` exists since 4.1."""
    if hasattr(df, "repartitionById"):
        return df.repartitionById(count, partition)
    return old_frames.repartitioned_by_id(df, count, partition)


def threads_inherit(session: SparkSession, work: Any) -> Any:
    """Return a function for another thread that keeps the properties of this thread's jobs."""
    from pyspark.util import inheritable_thread_target

    # Before 4.0 it takes the function; there is one session per process.
    return inheritable_thread_target(session)(work) if VERSION >= (4, 0) else inheritable_thread_target(work)


def condition_of(error: Any) -> str:
    """Return the condition of an error of Spark, such as PATH_NOT_FOUND."""
    return str(error.getCondition() if hasattr(error, "getCondition") else error.getErrorClass())
