"""Stages on Spark DataFrames: one Python pass for a run of native stages.

Every DataFrame that a native stage returns carries a lineage: for each native column, the stages and the plain source
columns that compute it. The next native stage builds on that instead of reading the column. So each native column is
one scalar Arrow UDF over source columns; Spark drops those that nobody reads and evaluates the others in one node.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import arrow_udf
from pyspark.sql.pandas.types import from_arrow_type, to_arrow_type
from pyspark.sql.types import DataType, StructField, StructType, UserDefinedType

from mmlrs import _native
from mmlrs.engine import artifacts
from mmlrs.engine.categories import LEVELS
from mmlrs.engine.datasets import ignores_case
from mmlrs.engine.expr import Compiled, Expr, Node, Source, Value, bind, check_new, compile_program, quoted
from mmlrs.engine.table import attributes, is_vector_struct
from mmlrs.engine.worker import VECTOR_MEMBERS, Kernel, MergedFit, PartitionFit, vector_struct
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.base import NativeAggregate, NativeTransformer, Stage

__all__ = [
    "finished",
    "first_output",
    "is_vector",
    "kernel_of",
    "lineage_of",
    "mapped",
    "marked",
    "quoted",
    "spark_type",
    "sql_function",
    "transform",
    "with_lineage",
]

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
    binding = _binding(stage, df, lineage)
    fields = source_fields(df, stage._stage)
    node, values = stage._planned(stage._node(binding, portable=True), fields)
    outputs = [value.field for value in values.values()]
    check_new(values, columns, stage._stage, ignore_case=ignores_case(df))
    _warn_about_images(stage, df, outputs)
    df = _row_based(df, node, outputs)
    if stage.hasParam("handleInvalid") and stage._value("handleInvalid") == "skip":
        return _skip(stage, df, node, values)
    added = [
        _column(df, values[field.name], field).alias(field.name, metadata=attributes(field))
        for field in outputs
    ]
    return with_lineage(df.select("*", *added), {**lineage, **values})


def _skip(stage: NativeTransformer, df: DataFrame, node: Node, values: dict[str, Value]) -> DataFrame:
    """Add the columns and drop the rows that could not be processed; every row is processed once.

    A filter on a UDF's result would make Spark evaluate the UDF before and after the filter. So one non-deterministic
    UDF, which Spark never duplicates, makes all columns and the mask; the lineage ends here.
    """
    outputs = [value.field for value in values.values()]
    compiled = compile_program([*values.values(), Value(node, None, "valid")])
    members = [pa.field(f"c{i}", field.type) for i, field in enumerate(outputs)] + [
        pa.field("valid", pa.bool_())
    ]
    function = all_outputs(kernel_of(compiled, df.sparkSession, split=True), pa.struct(members), stage._stage)
    packed = function(*_source_columns(df, compiled)).alias(_MASK)
    made = df.select("*", packed).where(F.col(f"{_MASK}.valid"))
    added = []
    for i, field in enumerate(outputs):
        column = finished(F.col(f"{_MASK}.c{i}"), field)
        added.append(column.alias(field.name, metadata=attributes(field)))
    return made.select("*", *added).drop(_MASK)


def _row_based(df: DataFrame, node: Node, outputs: list[pa.Field]) -> DataFrame:
    """Return the DataFrame such that Spark does not run the functions column-wise, where it cannot.

    Over a columnar source (parquet, a cached table) Spark collects what functions return in column batches, which know no
    user-defined types and so no vectors. A filter is row-based; this one keeps every row, which the optimizer cannot see.
    """
    made = any(is_vector(f) and is_vector_struct(f.type) for f in outputs)
    computed = lineage_of(df)  # above the functions, so not among what Spark collects
    kept = [field for field in df.schema if field.name not in computed]
    if not made and not any(isinstance(field.dataType, UserDefinedType) for field in kept):
        return df
    sources = compile_program([Value(node, None, "valid")]).sources
    every_row = F.isnull(F.col(quoted(sources[0].column))) >= F.lit(False)
    return with_lineage(df.where(every_row), computed)


def _binding(stage: Stage, df: DataFrame, lineage: dict[str, Expr]) -> Any:
    wanted = stage._vector_inputs()
    vectors = {f.name for f in df.schema if f.name in wanted and isinstance(f.dataType, VectorUDT)}
    return partial(
        bind, stage._stage, lineage=lineage, columns=df.columns, ignore_case=ignores_case(df), vectors=vectors
    )


def source_fields(df: DataFrame, stage: str) -> Callable[[Source], pa.Field]:
    """Return a function from a source column to its Arrow field as the worker sees it, with its Spark ML attributes."""
    schema = {field.name: field for field in df.schema}
    zone = df.sparkSession.conf.get("spark.sql.session.timeZone")

    def field_of(source: Source) -> pa.Field:
        name = source.column
        field = schema[name]
        kind = field.dataType
        metadata = {}
        if "ml_attr" in field.metadata:
            metadata[b"ml_attr"] = json.dumps(field.metadata["ml_attr"]).encode()
        if LEVELS in field.metadata:
            metadata[LEVELS.encode()] = field.metadata[LEVELS].encode()
        if isinstance(kind, VectorUDT):
            arrow = VECTOR if source.vector else pa.list_(pa.float32())
            return pa.field(name, arrow, metadata={b"mmlrs.kind": b"vector", **metadata})
        refuse_old_vectors(stage, field)
        try:
            return pa.field(name, to_arrow_type(kind, timezone=zone), metadata=metadata)
        except Exception as error:  # noqa: BLE001 - pyspark has a class of its own for each way to fail
            raise SchemaMismatchError(
                f"{stage}: column `{name}`: has type {kind.simpleString()}: {error}"
            ) from None

    return field_of


def refuse_old_vectors(stage: str, field: StructField) -> None:
    """Fail on a column of vectors of `pyspark.mllib`, whose type calls itself a vector too."""
    if type(field.dataType).__module__ == "pyspark.mllib.linalg":
        raise SchemaMismatchError(
            f"{stage}: column `{field.name}`: holds vectors of the old pyspark.mllib; convert them first: "
            f'pyspark.mllib.util.MLUtils.convertVectorColumnsToML(df, "{field.name}")'
        )


#: Spark ML vectors in Arrow.
VECTOR = pa.struct(
    [
        pa.field("type", pa.int8(), nullable=False),
        pa.field("size", pa.int32()),
        pa.field("indices", pa.list_(pa.field("element", pa.int32(), nullable=False))),
        pa.field("values", pa.list_(pa.field("element", pa.float64(), nullable=False))),
    ]
)


def _source_columns(df: DataFrame, compiled: Compiled) -> list[Column]:
    """Return what the kernel reads; a Spark ML vector that stays one travels as its members, which is far cheaper."""
    schema = {field.name: field for field in df.schema}
    columns: list[Column] = []
    for source in compiled.sources:
        plain = F.col(quoted(source.column))
        if source.vector:
            columns += _members(F.unwrap_udt(plain))
        elif isinstance(schema[source.column].dataType, VectorUDT):
            columns.append(
                F.when(plain.isNotNull(), vector_to_array(plain, "float32"))
            )  # which fails on a null
        else:
            columns.append(plain)
    return columns


def _members(vector: Column) -> list[Column]:
    """Return the members of the struct of a Spark ML vector, the lists never null.

    Before every row Spark asks how large the batch is, and for a list column that takes as long as the run of nulls at
    its end: with the absent indices of dense vectors as nulls it would be quadratic in the rows of a batch.
    """
    empty = {"indices": "array<int>", "values": "array<double>"}
    members = {name: vector[name] for name in VECTOR_MEMBERS}
    return [
        F.coalesce(member, F.array().cast(empty[name])) if name in empty else member
        for name, member in members.items()
    ]


def marked(df: DataFrame, names: list[str], metadata: dict[str, dict[str, Any]]) -> DataFrame:
    """Select columns, some of them with more metadata."""
    known = {field.name: field.metadata for field in df.schema}
    columns = [
        F.col(quoted(n)).alias(n, metadata={**known[n], **metadata[n]}) if n in metadata else F.col(quoted(n))
        for n in names
    ]
    return df.select(*columns)


def mapped(df: DataFrame, work: Callable[[Iterator[pa.RecordBatch]], Any], schema: StructType) -> DataFrame:
    """Return `df.mapInArrow(work, schema)` for columns of any names, which pyspark looks up without quotes."""
    names = df.columns

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from work(batch.rename_columns(names) for batch in batches)

    return df.toDF(*(f"c{i}" for i in range(len(names)))).mapInArrow(run, schema)


def is_vector(field: pa.Field) -> bool:
    """Is this the field of a Spark ML vector?"""
    return (field.metadata or {}).get(b"mmlrs.kind") == b"vector"


def spark_type(kind: pa.DataType) -> DataType:
    """Return the Spark type of an Arrow type; fixed-size lists are arrays."""
    if is_vector_struct(kind):
        return VectorUDT()
    if pa.types.is_struct(kind):
        return StructType([StructField(f.name, spark_type(f.type), f.nullable) for f in kind])
    return from_arrow_type(_spark_arrow(kind))


def _spark_arrow(kind: pa.DataType) -> pa.DataType:
    if is_vector_struct(kind):
        return VECTOR
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_spark_arrow(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _spark_arrow(f.type)) for f in kind])
    return kind


def kernel_of(compiled: Compiled, session: Any, *, split: bool = False) -> Kernel:
    """Return the kernel of a program, with small models inside and large ones sent to the nodes.

    `split` says that vectors come as `_source_columns` gives them.
    """
    blobs = tuple((sha256, artifacts.payload(sha256, session)) for sha256 in compiled.blobs)
    vector = "split" if split else "vector"
    forms = tuple(vector if source.vector else "plain" for source in compiled.sources)
    return Kernel(compiled.text, compiled.columns, forms, blobs)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    return array if array.type == kind else array.cast(kind)


def first_output(kernel: Kernel, output: pa.DataType, name: str) -> Any:
    """Return a scalar Arrow UDF that computes a kernel's only output; plans show it by `name`."""
    target = _spark_arrow(output)

    def run(*columns: pa.Array) -> pa.Array:
        return _cast(kernel.run(columns).column(0), target)

    run.__name__ = name
    return arrow_udf(run, returnType=spark_type(output))  # type: ignore[call-overload]


def all_outputs(kernel: Kernel, output: pa.StructType, name: str) -> Any:
    """Return a scalar Arrow UDF that computes all outputs of a kernel as one struct, once per row."""
    target = _spark_arrow(output)

    def run(*columns: pa.Array) -> pa.Array:
        batch = kernel.run(columns)
        made = [_cast(batch.column(i), field.type) for i, field in enumerate(target)]
        return pa.StructArray.from_arrays(made, names=[field.name for field in target])

    run.__name__ = name
    function = arrow_udf(run, returnType=spark_type(output))  # type: ignore[call-overload]
    return function.asNondeterministic()


def sql_function(kernel: Kernel, output: pa.Field, order: list[int]) -> Any:
    """Return a UDF for SQL, with the arguments in the user's order and vectors as Spark ML vectors."""
    target, vector = _spark_arrow(output.type), is_vector(output)

    def run(*columns: pa.Array) -> pa.Array:
        made = kernel.run([columns[i] for i in order]).column(0)
        return vector_struct(made) if vector and not is_vector_struct(made.type) else _cast(made, target)

    kind = VectorUDT() if vector else spark_type(output.type)
    return arrow_udf(run, returnType=kind)  # type: ignore[call-overload]


def _column(df: DataFrame, expr: Value, field: pa.Field) -> Column:
    """Return the column of one value; vectors become Spark ML vectors."""
    compiled = compile_program([expr])
    function = first_output(kernel_of(compiled, df.sparkSession, split=True), field.type, expr.node.stage)
    return finished(function(*_source_columns(df, compiled)), field)


def finished(column: Column, field: pa.Field) -> Column:
    """Return what a kernel made as the user gets it: arrays of floats that are vectors as Spark ML vectors."""
    if not is_vector(field) or is_vector_struct(field.type):
        return column
    return F.when(column.isNotNull(), array_to_vector(column))  # which fails on a null


def fit(stage: NativeAggregate, df: DataFrame) -> str:
    """Run a native estimator or summary in one job; returns what its state ends as, as JSON.

    Every partition becomes one state in the executors. The driver merges the states; those that grow with the rows are
    merged by one more task.
    """
    inputs = stage._inputs()
    bound = _binding(stage, df, lineage_of(df))(inputs)
    compiled = compile_program([expr for _, expr in bound])
    fields = source_fields(df, stage._stage)
    made = _native.Program(compiled.text).output_schema(pa.schema([fields(s) for s in compiled.sources]))
    schema = pa.schema([field.with_name(name) for field, name in zip(made, inputs, strict=True)])
    values, blobs = stage._portable()
    compiled = Compiled(compiled.text, compiled.sources, (*compiled.blobs, *(blob.sha256 for blob in blobs)))
    work = PartitionFit(
        kernel_of(compiled, df.sparkSession, split=True),
        stage._stage,
        stage.uid,
        values,
        schema.serialize().to_pybytes(),
    )
    columns = [c.alias(f"c{i}") for i, c in enumerate(_source_columns(df, compiled))]
    states = df.select(*columns).mapInArrow(work, "state binary")
    total = _native.Fit(stage._stage, stage.uid, values, schema)
    if total.grows:
        merging = MergedFit(stage._stage, stage.uid, values, work.schema)
        [(result,)] = states.repartition(1).mapInArrow(merging, "result string").collect()
        return str(result)
    for (state,) in states.collect():
        total.merge(bytes(state))
    result = total.finish()
    stage._warn(total.notes())
    return result


_IMAGE_WARNING = (
    "image columns over a columnar source (parquet, orc, a cached table) collect thousands of images on the JVM heap when "
    "they are read; start the session with SparkSession.builder.config(map=mmlrs.recommended_conf())"
)
_COLUMNAR = ("FileScan parquet", "FileScan orc", "InMemoryTableScan")


def _warn_about_images(stage: NativeTransformer, df: DataFrame, outputs: list[pa.Field]) -> None:
    """Warn once when image columns are made over a columnar source with settings that would exhaust the driver."""
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
        stage._warn([_IMAGE_WARNING])
