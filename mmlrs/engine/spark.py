"""Stages on Spark DataFrames: one Python pass for a run of native stages.

Every DataFrame that a native stage returns carries a lineage: for each native column, the stages and the plain source
columns that compute it. The next native stage builds on that instead of reading the column. So each native column is
one scalar Arrow UDF over source columns; Spark drops those that nobody reads and evaluates the others in one node.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import ArrowUDFType, arrow_udf
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import DataType

from mmlrs.engine import artifacts
from mmlrs.engine.expr import Compiled, Expr, Value, bind, compile_program
from mmlrs.engine.table import attributes
from mmlrs.engine.worker import Kernel
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.base import NativeTransformer

__all__ = ["column_function", "is_vector", "lineage_of", "spark_type", "transform", "with_lineage"]

_LINEAGE = "_mmlrs_lineage"
_MASK = "__mmlrs_row__"


def lineage_of(df: DataFrame) -> dict[str, Expr]:
    """Return what is known of the native columns of a DataFrame; nothing when it is cached."""
    lineage: dict[str, Expr] = vars(df).get(_LINEAGE, {})
    return {} if lineage and df.is_cached else lineage


def with_lineage(df: DataFrame, lineage: dict[str, Expr]) -> DataFrame:
    """Attach a lineage to a DataFrame."""
    vars(df)[_LINEAGE] = lineage
    return df


def transform(stage: NativeTransformer, df: DataFrame) -> DataFrame:
    """Add a native stage's columns to a DataFrame."""
    columns, lineage = df.columns, lineage_of(df)
    node = stage._node(
        lambda inputs: bind(stage._stage, inputs, lineage, columns, ignore_case=True), portable=True
    )
    fields = source_fields(df)
    outputs = stage._announce(node, fields)
    taken = {name.lower() for name in columns}
    for field in outputs:
        if field.name.lower() in taken:
            raise SchemaMismatchError(f"{stage._stage}: column `{field.name}`: exists already")
    _warn_about_images(stage, df, outputs)
    if stage.hasParam("handleInvalid") and stage._value("handleInvalid") == "skip":
        return _skip(stage, df, node, outputs, fields)
    values = {field.name: stage._output_value(node, field.name) for field in outputs}
    added = [
        _column(df, compile_program([values[field.name]]), field, fields).alias(
            field.name, metadata=attributes(field)
        )
        for field in outputs
    ]
    return with_lineage(df.select("*", *added), {**lineage, **values})


def _skip(
    stage: NativeTransformer, df: DataFrame, node: Any, outputs: list[pa.Field], fields: Callable[[str], pa.Field]
) -> DataFrame:
    """Add the columns and drop the rows that could not be processed; every row is processed once.

    A filter on a UDF's result would make Spark evaluate the UDF before and after the filter. So one non-deterministic
    UDF, which Spark never duplicates, makes all columns and the mask; the lineage ends here.
    """
    values: list[Expr] = [stage._output_value(node, field.name) for field in outputs]
    compiled = compile_program([*values, Value(node, None, "valid")])
    members = [pa.field(f"c{i}", field.type) for i, field in enumerate(outputs)] + [pa.field("valid", pa.bool_())]
    packed = pa.field(_MASK, pa.struct(members))
    made = df.select("*", _column(df, compiled, packed, fields, whole=True).alias(_MASK)).where(F.col(f"{_MASK}.valid"))
    kept = [F.col(_quoted(name)) for name in df.columns]
    added = []
    for i, field in enumerate(outputs):
        column = F.col(f"{_MASK}.c{i}")
        added.append(
            (array_to_vector(column) if is_vector(field) else column).alias(field.name, metadata=attributes(field))
        )
    return made.select(*kept, *added)


def source_fields(df: DataFrame) -> Callable[[str], pa.Field]:
    """Return a function from a column's name to its Arrow field as the worker sees it."""
    schema = df.schema

    def field_of(name: str) -> pa.Field:
        kind = schema[name].dataType
        if isinstance(kind, VectorUDT):
            return pa.field(name, pa.list_(pa.float32()))
        try:
            return pa.field(name, to_arrow_type(kind))
        except Exception as error:
            raise SchemaMismatchError(f"column `{name}`: has type {kind.simpleString()}: {error}") from None

    return field_of


def _source_column(df: DataFrame, name: str) -> Column:
    column = F.col(_quoted(name))
    return vector_to_array(column, "float32") if isinstance(df.schema[name].dataType, VectorUDT) else column


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def is_vector(field: pa.Field) -> bool:
    """Is this the field of a Spark ML vector?"""
    return (field.metadata or {}).get(b"mmlrs.kind") == b"vector"


def spark_type(kind: pa.DataType) -> DataType:
    """Return the Spark type of an Arrow type; fixed-size lists are arrays."""
    return from_arrow_type(_spark_arrow(kind))


def _spark_arrow(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_spark_arrow(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _spark_arrow(f.type)) for f in kind])
    return kind


def kernel_of(compiled: Compiled, fields: Callable[[str], pa.Field], session: Any) -> Kernel:
    """Return the kernel of a program, with small models inside and large ones sent to the nodes."""
    return Kernel(
        compiled.text,
        tuple(fields(name) for name in compiled.sources),
        tuple((sha256, artifacts.payload(sha256, session)) for sha256 in compiled.blobs),
    )


def column_function(kernel: Kernel, output: pa.DataType, *, whole: bool = False, deterministic: bool = True) -> Any:
    """Return a scalar Arrow UDF that runs a kernel: its first output, or with `whole` all of them as a struct."""
    target = _spark_arrow(output)

    def run(*columns: pa.Array) -> pa.Array:
        batch = kernel.run(columns)
        if whole:
            names = [field.name for field in target]
            made = [
                batch.column(i).cast(field.type) if batch.column(i).type != field.type else batch.column(i)
                for i, field in enumerate(target)
            ]
            return pa.StructArray.from_arrays(made, names=names)
        column = batch.column(0)
        return column if column.type == target else column.cast(target)

    function = arrow_udf(run, returnType=spark_type(output), functionType=ArrowUDFType.SCALAR)
    return function if deterministic else function.asNondeterministic()


def _column(
    df: DataFrame, compiled: Compiled, field: pa.Field, fields: Callable[[str], pa.Field], *, whole: bool = False
) -> Column:
    """Return the column that a program computes; vectors become Spark ML vectors."""
    kernel = kernel_of(compiled, fields, df.sparkSession)
    function = column_function(kernel, field.type, whole=whole, deterministic=not whole)
    column = function(*[_source_column(df, name) for name in compiled.sources])
    return array_to_vector(column) if is_vector(field) else column


_COLUMNAR = ("FileScan parquet", "FileScan orc", "InMemoryTableScan")


def _warn_about_images(stage: NativeTransformer, df: DataFrame, outputs: list[pa.Field]) -> None:
    """Warn once when image columns are made over a columnar source with settings that would exhaust the driver."""
    image = any(pa.types.is_struct(f.type) and {"data", "nChannels"} <= {x.name for x in f.type} for f in outputs)
    if not image or df.isStreaming:
        return
    conf = df.sparkSession.conf
    if conf.get("spark.sql.execution.arrow.pythonUDF.columnarInput.enabled", "true") != "true":
        return
    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        df.explain()
    if any(scan in plan.getvalue() for scan in _COLUMNAR):
        stage._warn(
            [
                "image columns over a columnar source (parquet, orc, a cached table) collect thousands of images on the "
                "JVM heap when they are read; start the session with "
                "SparkSession.builder.config(map=mmlrs.recommended_conf())"
            ]
        )
