"""Stages on Spark DataFrames: one Python pass for a run of native stages.

Every DataFrame that a native stage returns carries a lineage: for each native column, the stages and the plain source
columns that compute it. The next native stage extends that record instead of reading the column. So each native column is one
scalar Arrow UDF over source columns. Spark drops unused UDFs and evaluates the others in one node.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.ml.functions import array_to_vector
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.types import StructField, StructType, UserDefinedType

from mmlrs._warnings import warn_once
from mmlrs.engine import artifacts
from mmlrs.engine.expr import Compiled, Expr, Value, compile_program, first_source, quoted
from mmlrs.engine.fields import ColumnType, column_type
from mmlrs.engine.lineage import fields_of, lineage_of, with_lineage
from mmlrs.engine.plan import StagePlan, plan_stage
from mmlrs.engine.sources import Sources
from mmlrs.engine.worker import Kernel, MergedFit, PartitionFit, vector_struct

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.base import NativeAggregate, NativeTransformer

__all__ = [
    "check",
    "finished",
    "first_output",
    "kernel_of",
    "lineage_of",
    "mapped",
    "marked",
    "quoted",
    "sql_function",
    "transform",
    "with_lineage",
]

_PACKED = "__mmlrs_row__"


def transform(stage: NativeTransformer, df: DataFrame) -> DataFrame:
    """Add a native stage's columns to a DataFrame."""
    lineage, fields = lineage_of(df), fields_of(df)
    sources = Sources(df, stage._stage)
    plan = _plan(stage, sources, lineage)
    sources.columns.check_new(plan.values)
    kinds = [column_type(field) for field in plan.fields]
    _warn_about_images(df, plan.fields)
    df = _row_based(df, plan, kinds, [field for field in fields if field.name not in lineage])
    if plan.skips:
        return _skip(df, sources, plan, kinds)
    added = [
        _column(sources, value, kind).alias(name, metadata=kind.metadata)
        for (name, value), kind in zip(plan.values.items(), kinds, strict=True)
    ]
    more = [
        StructField(name, kind.column, True, kind.metadata)
        for name, kind in zip(plan.values, kinds, strict=True)
    ]
    return with_lineage(df.select("*", *added), {**lineage, **plan.values}, [*fields, *more])


def check(stage: NativeTransformer, df: DataFrame) -> None:
    """Check the params of a native stage and the types of its input columns, as planning does."""
    _plan(stage, Sources(df, stage._stage), {})


def _plan(stage: NativeTransformer, sources: Sources, lineage: dict[str, Expr]) -> StagePlan:
    native = stage._core()
    inputs = sources.inputs(native, lineage)
    return plan_stage(stage, native, inputs, sources.schema(inputs), portable=True)


def _skip(df: DataFrame, sources: Sources, plan: StagePlan, kinds: list[ColumnType]) -> DataFrame:
    """Add the columns and drop the rows that could not be processed; every row is processed once.

    A filter on a UDF's result would make Spark evaluate the UDF before and after the filter. So one non-deterministic
    UDF, which Spark never duplicates, computes all columns and the mask. The lineage ends here.
    """
    compiled = compile_program([*plan.values.values(), *([plan.mask] if plan.mask else [])])
    members = [pa.field(f"c{i}", field.type) for i, field in enumerate(plan.fields)]
    packed_type = column_type(pa.field(_PACKED, pa.struct([*members, pa.field("mask", pa.bool_())])))
    function = all_outputs(kernel_of(compiled, df.sparkSession, split=True), packed_type, plan.stage)
    packed = function(*sources.read(compiled)).alias(_PACKED)
    kept = df.select("*", packed).where(F.col(f"{_PACKED}.mask"))
    added = []
    for i, (field, kind) in enumerate(zip(plan.fields, kinds, strict=True)):
        column = finished(F.col(f"{_PACKED}.c{i}"), kind)
        added.append(column.alias(field.name, metadata=kind.metadata))
    return kept.select("*", *added).drop(_PACKED)


def _row_based(
    df: DataFrame, plan: StagePlan, kinds: list[ColumnType], plain: list[StructField]
) -> DataFrame:
    """Return the DataFrame, with a filter that stops Spark from running the UDFs column-wise where that fails.

    Over a columnar source (parquet, a cached table) Spark collects the results of UDFs in column batches, which do not support
    user-defined types such as vectors. A filter makes Spark work row by row. This filter keeps every row, which the optimizer
    cannot infer. `plain` are the columns outside the lineage; Spark does not collect the others.
    """
    vectors = any(isinstance(kind.spark, UserDefinedType) for kind in kinds)
    if not vectors and not any(isinstance(field.dataType, UserDefinedType) for field in plain):
        return df
    node = next(iter(plan.values.values())).node
    every_row = F.isnull(F.col(quoted(first_source(node).column))) >= F.lit(False)
    return df.where(every_row)


def marked(df: DataFrame, names: list[str], metadata: dict[str, dict[str, Any]]) -> DataFrame:
    """Select columns, and add metadata to some of them."""
    known = {field.name: field.metadata for field in df.schema}
    columns = [
        F.col(quoted(n)).alias(n, metadata={**known[n], **metadata[n]}) if n in metadata else F.col(quoted(n))
        for n in names
    ]
    return df.select(*columns)


def mapped(df: DataFrame, work: Callable[[Iterator[pa.RecordBatch]], Any], schema: StructType) -> DataFrame:
    """Return `df.mapInArrow(work, schema)` for any column names; pyspark itself does not quote them."""
    names = df.columns

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from work(batch.rename_columns(names) for batch in batches)

    return df.toDF(*(f"c{i}" for i in range(len(names)))).mapInArrow(run, schema)


def kernel_of(compiled: Compiled, session: Any, *, split: bool = False) -> Kernel:
    """Return the kernel of a program; small models are part of it, large ones are sent to the nodes.

    With `split`, vectors arrive as `Sources.read` selects them.
    """
    blobs = tuple((sha256, artifacts.payload(sha256, session)) for sha256 in compiled.blobs)
    vector = "split" if split else "vector"
    forms = tuple(vector if source.vector else "plain" for source in compiled.sources)
    return Kernel(compiled.text, compiled.columns, forms, blobs)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type == kind else array.cast(kind)


def first_output(kernel: Kernel, kind: ColumnType, name: str) -> Any:
    """Return a scalar Arrow UDF that computes a kernel's only output; `name` appears in Spark's plans."""
    target = kind.arrow

    def run(*columns: pa.Array) -> pa.Array:
        return _cast(kernel.run(columns).column(0), target)

    run.__name__ = name
    return arrow_udf(run, returnType=kind.spark)  # type: ignore[call-overload]


def all_outputs(kernel: Kernel, kind: ColumnType, name: str) -> Any:
    """Return a scalar Arrow UDF that computes all outputs of a kernel as one struct, once per row."""
    target = kind.arrow

    def run(*columns: pa.Array) -> pa.Array:
        batch = kernel.run(columns)
        members = [_cast(batch.column(i), field.type) for i, field in enumerate(target)]
        return pa.StructArray.from_arrays(members, names=[field.name for field in target])

    run.__name__ = name
    function = arrow_udf(run, returnType=kind.spark)  # type: ignore[call-overload]
    return function.asNondeterministic()


def sql_function(kernel: Kernel, output: pa.Field, order: list[int]) -> Any:
    """Return a UDF for SQL, with the arguments in the user's order and vectors as Spark ML vectors."""
    kind = column_type(output)
    target, wrapped = kind.arrow, kind.wrapped

    def run(*columns: pa.Array) -> pa.Array:
        array = kernel.run([columns[i] for i in order]).column(0)
        return vector_struct(array) if wrapped else _cast(array, target)

    return arrow_udf(run, returnType=kind.column)  # type: ignore[call-overload]


def _column(sources: Sources, value: Value, kind: ColumnType) -> Column:
    """Return the column of one value; vectors become Spark ML vectors."""
    compiled = compile_program([value])
    function = first_output(kernel_of(compiled, sources.session, split=True), kind, value.node.stage)
    return finished(function(*sources.read(compiled)), kind)


def finished(column: Column, kind: ColumnType) -> Column:
    """Return a computed column as the user gets it; arrays of floats that represent vectors become Spark ML vectors."""
    if not kind.wrapped:
        return column
    return F.when(column.isNotNull(), array_to_vector(column))  # which fails on a null


def fit(stage: NativeAggregate, df: DataFrame) -> str:
    """Run a native estimator or summary in one job; return the result of the merged states, as JSON.

    Executors compute one state per partition. The driver merges the states; one more task merges states that grow with the
    number of rows.
    """
    native = stage._core()
    sources = Sources(df, stage._stage)
    inputs = sources.inputs(native, lineage_of(df))
    schema = sources.schema(inputs)
    compiled = compile_program([expr for _, expr in inputs])
    values, blobs = native.portable()
    compiled = replace(compiled, blobs=(*compiled.blobs, *(blob.sha256 for blob in blobs)))
    work = PartitionFit(
        kernel_of(compiled, df.sparkSession, split=True),
        stage._stage,
        stage.uid,
        values,
        schema.serialize().to_pybytes(),
    )
    read = [c.alias(f"c{i}") for i, c in enumerate(sources.read(compiled))]
    states = df.select(*read).mapInArrow(work, "state binary")
    merged = native.fit(schema)
    if merged.grows:
        merging = MergedFit(stage._stage, stage.uid, values, work.schema)
        [(result,)] = states.repartition(1).mapInArrow(merging, "result string").collect()
        return str(result)
    for (state,) in states.collect():
        merged.merge(bytes(state))
    result = merged.finish()
    warn_once(merged.notes())
    return result


_IMAGE_WARNING = (
    "image columns over a columnar source (parquet, orc, a cached table) collect thousands of images on the JVM heap when "
    "they are read; start the session with SparkSession.builder.config(map=mmlrs.recommended_conf())"
)
_COLUMNAR = ("FileScan parquet", "FileScan orc", "InMemoryTableScan")


def _warn_about_images(df: DataFrame, outputs: list[pa.Field]) -> None:
    """Warn once if image columns over a columnar source would exhaust the driver with the current settings."""
    image = any(
        pa.types.is_struct(f.type) and {"data", "nChannels"} <= {x.name for x in f.type} for f in outputs
    )
    if not image or df.isStreaming:
        return
    conf = df.sparkSession.conf
    if conf.get("spark.sql.execution.arrow.pythonUDF.columnarInput.enabled", "true") != "true":
        return
    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        df.explain()
    if any(scan in plan.getvalue() for scan in _COLUMNAR):
        warn_once([_IMAGE_WARNING])
