"""Stages on Spark DataFrames: one Python pass for a run of native stages.

Every DataFrame that a native stage returns carries a lineage: for each native column, the stages and the plain source
columns that compute it. The next native stage extends that record instead of reading the column. So each native column is one
scalar Arrow UDF over source columns. Spark drops unused UDFs and evaluates the others in one node.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow as pa
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, AtomicType, FloatType, StructField, TimestampType, UserDefinedType

from mmlrs import _native
from mmlrs._warnings import warn_once
from mmlrs.engine import artifacts
from mmlrs.engine.categories import LEVELS
from mmlrs.engine.columns import FIELDS, Columns
from mmlrs.engine.expr import Compiled, Expr, Source, Value, compile_program, first_source, quoted, sources_of
from mmlrs.engine.fields import VECTOR, VECTOR_MEMBERS, ColumnType, column_type
from mmlrs.engine.plan import Inputs, StagePlan, plan_stage
from mmlrs.engine.sent import sent_function
from mmlrs.engine.versions import SQL_VECTORS, arrow_udf, as_vector, sql_udf, to_arrow_type, typed
from mmlrs.engine.worker import Kernel, OrderedKernel, as_type, vector_lists, vector_struct
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import DataType

    from mmlrs.base import NativeTransformer

__all__ = [
    "Sources",
    "check",
    "clear_udfs",
    "fields_of",
    "finished",
    "first_output",
    "kernel_of",
    "lineage_of",
    "quoted",
    "refuse_old_vectors",
    "sql_function",
    "transform",
    "vectors_as_lists",
    "with_lineage",
]

_PACKED = "__mmlrs_row__"
_LINEAGE = "_mmlrs_lineage"


def lineage_of(df: DataFrame) -> dict[str, Expr]:
    """Return the expressions of the native columns of a DataFrame; none if the DataFrame is cached."""
    lineage: dict[str, Expr] = vars(df).get(_LINEAGE, {})
    return {} if lineage and _is_cached(df) else lineage


def _is_cached(df: DataFrame) -> bool:
    # On Connect the property makes the server analyze the whole plan, so `_forget_when_cached` replaces it.
    return hasattr(df, "_jdf") and df.is_cached


def _forget_when_cached(df: DataFrame) -> None:
    """End the lineage of a Connect DataFrame when it is cached; such a DataFrame has no flag that says so."""

    def persist(*args: Any, **kwargs: Any) -> DataFrame:
        # This holds the DataFrame, as a bound method does: `stage.transform(df).persist()` holds nothing else of it.
        vars(df).pop(_LINEAGE, None)
        return type(df).persist(df, *args, **kwargs)

    vars(df)["persist"] = persist


def fields_of(df: DataFrame) -> tuple[StructField, ...]:
    """Return the fields of a DataFrame's schema.

    `df.schema` parses all fields for each new DataFrame, and calls the server on Spark Connect. A native stage attaches the
    fields to the DataFrame that it returns.
    """
    fields: tuple[StructField, ...] | None = vars(df).get(FIELDS)
    if fields is None:
        vars(df)[FIELDS] = fields = tuple(df.schema.fields)
    return fields


def with_lineage(
    df: DataFrame, lineage: dict[str, Expr], fields: Iterable[StructField] | None = None
) -> DataFrame:
    """Attach a lineage to a DataFrame, and optionally the fields of its schema."""
    vars(df)[_LINEAGE] = lineage
    if fields is not None:
        vars(df)[FIELDS] = tuple(fields)
    if lineage and not hasattr(df, "_jdf"):
        _forget_when_cached(df)
    return df


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
        _column(sources, value, kind).alias(name, **_metadata(kind))
        for (name, value), kind in zip(plan.values.items(), kinds, strict=True)
    ]
    more = [
        StructField(name, kind.column, True, kind.metadata)
        for name, kind in zip(plan.values, kinds, strict=True)
    ]
    return with_lineage(df.select("*", *added), {**lineage, **plan.values}, [*fields, *more])


def _metadata(kind: ColumnType) -> dict[str, Any]:
    """Return the argument of `Column.alias`, which takes a millisecond even if it is empty."""
    return {"metadata": kind.metadata} if kind.metadata else {}


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
    assert plan.mask is not None, "the plan is portable"
    compiled = compile_program([*plan.values.values(), plan.mask])
    members = [pa.field(f"c{i}", field.type) for i, field in enumerate(plan.fields)]
    packed_type = column_type(pa.field(_PACKED, pa.struct([*members, pa.field("mask", pa.bool_())])))
    function = all_outputs(kernel_of(compiled, df.sparkSession, df, split=True), packed_type, plan.stage)
    packed = function(*sources.arguments(compiled)).alias(_PACKED)
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


class Sources:
    """The columns of a DataFrame, for one stage.

    Parameters
    ----------
    df : DataFrame
        The dataset.
    stage : str
        The stage that errors name.
    """

    def __init__(self, df: DataFrame, stage: str) -> None:
        fields = fields_of(df)
        self.stage = stage
        self.df = df
        self.session = df.sparkSession
        self.columns = Columns([field.name for field in fields], stage, self.session)
        self._fields = {field.name: field for field in fields}

    def _zone(self, kind: DataType) -> str | None:
        if isinstance(kind, AtomicType) and not isinstance(kind, TimestampType):
            return None  # without a request for the setting
        return self.session.conf.get("spark.sql.session.timeZone")

    def inputs(self, native: _native.Stage, lineage: dict[str, Expr]) -> Inputs:
        """Bind a stage's input columns: to their expressions in the lineage, else to the plain columns."""
        vectors = {n for n in native.vector_inputs() if self._is_vector(self.columns.get(n))}
        if lineage and self.columns.has_alike:
            # With `spark.sql.caseSensitive` changed since a stage before, a source column may be ambiguous now.
            lineage = {n: e for n, e in lineage.items() if all(map(self.columns.is_unique, sources_of(e)))}
        return self.columns.bind(native.inputs(), lineage, vectors)

    def _is_vector(self, name: str | None) -> bool:
        return name in self._fields and isinstance(self._fields[name].dataType, VectorUDT)

    def schema(self, inputs: Inputs) -> pa.Schema:
        """Return the fields of a stage's input columns, under the stage's names for them.

        The fields of plain columns are those that the worker receives, with their Spark ML attributes. Columns of other
        stages keep the fields of those stages' plans, so planning costs the same at any position in a chain.
        """
        fields = []
        for name, expr in inputs:
            field = self._field(expr) if isinstance(expr, Source) else expr.field
            fields.append(field.with_name(name))
        return pa.schema(fields)

    def _field(self, source: Source) -> pa.Field:
        field = self._fields[source.column]
        name, kind = field.name, field.dataType
        metadata = {}
        if "ml_attr" in field.metadata:
            metadata[b"ml_attr"] = json.dumps(field.metadata["ml_attr"]).encode()
        if LEVELS in field.metadata:
            metadata[LEVELS.encode()] = field.metadata[LEVELS].encode()
        if isinstance(kind, VectorUDT):
            arrow = VECTOR if source.vector else pa.list_(pa.float32())
            return pa.field(name, arrow, metadata={b"mmlrs.kind": b"vector", **metadata})
        refuse_old_vectors(self.stage, field)
        try:
            return pa.field(name, to_arrow_type(kind, timezone=self._zone(kind)), metadata=metadata)
        except Exception as error:  # noqa: BLE001 - pyspark has one class per kind of failure
            raise SchemaMismatchError(
                f"{self.stage}: column `{name}`: has type {kind.simpleString()}: {error}"
            ) from None

    def read(self, compiled: Compiled) -> list[Column | str]:
        """Return the columns that a kernel reads; Spark ML vectors are sent as their members, which is cheaper.

        Plain columns are names: `F.col` makes a dozen calls to the JVM.
        """
        columns: list[Column | str] = []
        for source, name in zip(compiled.sources, compiled.quoted, strict=True):
            if source.vector:
                columns += _members(F.unwrap_udt(F.col(name)))
            elif self._is_vector(source.column):
                columns.append(vectors_as_lists(F.col(name), "float32"))
            else:
                columns.append(name)
        return columns

    def arguments(self, compiled: Compiled) -> list[Any]:
        """Return the arguments of a kernel's UDF: the columns that it reads, with their types if the UDF needs them."""
        columns = self.read(compiled)
        return columns if typed is None else typed(self.stage, columns, self._types(compiled))

    def _types(self, compiled: Compiled) -> list[tuple[str, DataType, pa.DataType]]:
        """Return the name and the types of each column that `read` returns."""
        kinds: list[tuple[str, DataType]] = []
        for source in compiled.sources:
            name = source.column
            if source.vector:
                kinds += [(name, member.dataType) for member in VectorUDT.sqlType()]
            elif self._is_vector(name):
                kinds.append((name, ArrayType(FloatType(), False)))
            else:
                kinds.append((name, self._fields[name].dataType))
        return [(name, kind, to_arrow_type(kind, timezone=self._zone(kind))) for name, kind in kinds]


def vectors_as_lists(column: Column, dtype: str = "float64") -> Column:
    """Return a column of vectors as lists, with null for null, on which `vector_to_array` fails."""
    return F.when(column.isNotNull(), vector_to_array(column, dtype))


def _members(vector: Column) -> list[Column]:
    """Return the members of the struct of a Spark ML vector, the lists never null.

    Before each row Spark computes the size of the batch, which for a list column takes time proportional to the number of
    nulls at its end. Dense vectors have no indices: with nulls for them, a batch would take quadratic time.
    """
    empty = {"indices": "array<int>", "values": "array<double>"}
    members = {name: vector[name] for name in VECTOR_MEMBERS}
    return [
        F.coalesce(member, F.array().cast(empty[name])) if name in empty else member
        for name, member in members.items()
    ]


def refuse_old_vectors(stage: str, field: StructField) -> None:
    """Raise if a column holds vectors of `pyspark.mllib`, whose type has the same name."""
    if type(field.dataType).__module__ == "pyspark.mllib.linalg":
        raise SchemaMismatchError(
            f"{stage}: column `{field.name}`: holds vectors of the old pyspark.mllib; convert them first: "
            f'pyspark.mllib.util.MLUtils.convertVectorColumnsToML(df, "{field.name}")'
        )


def kernel_of(
    compiled: Compiled, session: SparkSession, df: DataFrame | None = None, *, split: bool = False
) -> Kernel:
    """Return the kernel of a program; small models are part of it, large ones are sent to the nodes.

    `df` is the dataset to which the kernel is applied, if it is known. With `split`, vectors arrive as `Sources.read` selects them.
    """
    blobs = tuple((blob.sha256, artifacts.payload(blob.sha256, session, df)) for blob in compiled.blobs)
    vector = "split" if split else "vector"
    forms = tuple(vector if source.vector else "plain" for source in compiled.sources)
    return Kernel(compiled.text, compiled.columns, forms, blobs, owners=compiled.owners)


#: The UDFs of each session: a UDF is pickled and sent to the JVM once, not for each `transform`.
_udfs: WeakKeyDictionary[SparkSession, Callable[..., Any]] = WeakKeyDictionary()
#: Maximum number of cached UDFs of a session.
_UDFS = 64


def first_output(kernel: Kernel, kind: ColumnType, name: str, session: SparkSession) -> Any:
    """Return a scalar Arrow UDF that computes a kernel's only output; `name` appears in Spark's plans."""
    if any(data for _, data in kernel.blobs):
        return _first_output(kernel, kind.arrow, kind.spark, name)  # its model would stay in memory
    # A UDF refers to the files that `SparkContext.addPyFile` had added when the JVM first got it.
    files = tuple(getattr(getattr(session, "_sc", None), "_python_includes", ()))
    if session not in _udfs:
        _udfs[session] = lru_cache(_UDFS)(_first_output)
    spark = None if isinstance(kind.spark, VectorUDT) else kind.spark  # it has no hash before PySpark 4.0
    return _udfs[session](kernel, kind.arrow, spark, name, files)


def _first_output(kernel: Kernel, target: pa.DataType, spark: DataType | None, name: str, _: Any = ()) -> Any:
    """Return a UDF. Without a type it returns Spark ML vectors."""
    return arrow_udf(sent_function(partial(kernel.first, target), name), returnType=spark or VectorUDT())


def clear_udfs() -> None:
    """Empty the caches of UDFs."""
    _udfs.clear()


def all_outputs(kernel: Kernel, kind: ColumnType, name: str) -> Any:
    """Return a scalar Arrow UDF that computes all outputs of a kernel as one struct, once per row."""
    function = arrow_udf(sent_function(partial(kernel.struct, kind.arrow), name), returnType=kind.spark)
    return function.asNondeterministic()


def sql_function(
    kernel: Kernel,
    output: pa.Field,
    arguments: list[tuple[int, pa.DataType]],
    check: Callable[[int], None],
    *,
    arrays: bool = False,
) -> Any:
    """Return a UDF for SQL, with the arguments in the user's order.

    Vectors are Spark ML vectors, or lists of floats with `arrays` or if the version of Spark cannot return vectors to SQL.
    Spark does not know how many arguments there are; `check` raises if their number is wrong. `arguments` are the place of each
    source among them and a type that it may have, for nulls without a type.
    """
    kind = column_type(output)
    returns: DataType = kind.column
    convert: Callable[[pa.Array], pa.Array] = partial(as_type, kind=kind.arrow)
    if isinstance(returns, VectorUDT) and (arrays or not SQL_VECTORS):
        returns, convert = ArrayType(FloatType()), vector_lists
    elif kind.wrapped:
        convert = vector_struct
    work = OrderedKernel(kernel, tuple(arguments), check, convert)
    return sql_udf(sent_function(work, "run"), returnType=returns)


def _column(sources: Sources, value: Value, kind: ColumnType) -> Column:
    """Return the column of one value; vectors become Spark ML vectors."""
    compiled = compile_program([value])
    function = first_output(
        kernel_of(compiled, sources.session, sources.df, split=True), kind, value.node.stage, sources.session
    )
    return finished(function(*sources.arguments(compiled)), kind)


def finished(column: Column, kind: ColumnType) -> Column:
    """Return a computed column as the user gets it; arrays of floats that represent vectors become Spark ML vectors."""
    if not kind.wrapped:
        return as_vector(column) if as_vector and isinstance(kind.spark, VectorUDT) else column
    return F.when(column.isNotNull(), array_to_vector(column))  # which fails on a null


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
