"""Stages as column functions, in Python and in SQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._messages import counted
from mmlrs.base import NativeTransformer
from mmlrs.engine.columns import Columns
from mmlrs.engine.expr import Compiled, Expr, Source, Value, compile_program
from mmlrs.engine.missing import array_of
from mmlrs.engine.plan import plan_stage
from mmlrs.engine.sent import sent_function
from mmlrs.engine.worker import OrderedKernel, as_type
from mmlrs.errors import ExecutionError, InvalidParamError

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from mmlrs._types import AnyStage

__all__ = ["pandas_udf", "register", "udf"]


class _Function:
    """A stage, or a pipeline of native stages, as one function of its source columns."""

    def __init__(self, stage: AnyStage) -> None:
        self.stages = _native_stages(stage)
        self.name = self.stages[-1]._stage
        inputs: list[str] = []
        outputs: set[str] = set()
        for one in self.stages:
            inputs += [n for n in one._core().inputs() if n not in outputs]
            outputs |= set(one._columns("output"))
        self.inputs = list(dict.fromkeys(inputs))

    def compile(self, session: SparkSession | None) -> tuple[Compiled, pa.Field]:
        """Return the program of the last stage's single output column, and the field of that column."""
        field_of = _guess(self)
        lineage: dict[str, Expr] = {}
        values: dict[str, Value] = {}
        for stage in self.stages:
            native = stage._core()
            columns = Columns([*self.inputs, *lineage], stage._stage, session)
            inputs = columns.bind(native.inputs(), lineage, native.vector_inputs())
            types = pa.schema(
                [
                    (expr.field if isinstance(expr, Value) else field_of(expr)).with_name(n)
                    for n, expr in inputs
                ]
            )
            values = plan_stage(stage, native, inputs, types, portable=True).values
            lineage |= values
        results = [value for value in values.values() if value.what != "errors"]
        if len(results) != 1:
            names = ", ".join(f"`{value.field.name}`" for value in results)
            raise InvalidParamError(
                f"{self.name}: a function returns one column, and this stage returns {names}"
            )
        return compile_program(results), results[0].field


def _native_stages(stage: AnyStage) -> list[NativeTransformer]:
    stages = getattr(stage, "stages", []) if type(stage).__name__ == "PipelineModel" else [stage]
    flat: list[NativeTransformer] = []
    for item in stages:
        if type(item).__name__ == "PipelineModel":
            flat += _native_stages(item)
        elif isinstance(item, NativeTransformer):
            if item.hasParam("handleInvalid") and item._value("handleInvalid") == "skip":
                raise InvalidParamError(
                    f'{item._stage}: param `handleInvalid` must be "error" or "keep" in a function: a function '
                    "returns a value for every row"
                )
            flat.append(item)
        elif isinstance(item, type) or not (hasattr(item, "fit") or hasattr(item, "transform")):
            raise InvalidParamError(f"a function is made of a stage or a PipelineModel, got {item!r}")
        elif hasattr(item, "fit"):
            raise InvalidParamError(
                f"{type(item).__name__}: is an estimator, which cannot be a function; fit it first and pass the model that "
                "stage.fit(data) returns"
            )
        else:
            raise InvalidParamError(
                f"{type(item).__name__}: is not a native stage of mmlrs and cannot be part of a function; use its `transform` "
                "instead"
            )
    if not flat:
        raise InvalidParamError("PipelineModel: has no stage")
    return flat


def _session(function: str) -> Any:
    from mmlrs.persistence import active_session

    session = active_session()
    if session is None:
        raise ExecutionError(f"{function}: no Spark session is active; start one first")
    return session


def _check_arity(stage: str, inputs: list[str], count: int) -> None:
    if count != len(inputs):
        raise InvalidParamError(
            f"{stage}: the function takes {counted(len(inputs), 'column')} ({', '.join(inputs)}), got {count}"
        )


def udf(stage: AnyStage) -> Callable[..., Column]:
    """Return a stage as a function of columns: one scalar Arrow UDF.

    Parameters
    ----------
    stage : Transformer or PipelineModel
        A native stage with one output column, or a pipeline of native stages. The order of its input column params is
        the order of the arguments. The name of its output column is ignored.

    Returns
    -------
    callable
        Takes columns or column names and returns a column. Vectors are Spark ML vectors. A null input becomes null with
        `handleInvalid="keep"` and is an error with `"error"`.

    Raises
    ------
    InvalidParamError
        The stage is not native, returns several columns or drops rows, or a call has the wrong number of columns.
    ExecutionError
        The function is called while no Spark session is active.

    Examples
    --------
    >>> import mmlrs
    >>> from mmlrs.image import UnrollImage
    >>> unroll = mmlrs.udf(UnrollImage())  # then: df.withColumn("pixels", unroll("image"))
    """
    from pyspark.sql import functions as F

    from mmlrs.engine import spark as engine
    from mmlrs.engine.fields import column_type

    function = _Function(stage)

    def call(*columns: Any) -> Column:
        _check_arity(function.name, function.inputs, len(columns))
        session = _session("udf")
        arguments = [F.col(c) if isinstance(c, str) else c for c in columns]
        compiled, output = function.compile(session)
        kind = column_type(output)
        result = engine.first_output(engine.kernel_of(compiled, session), kind, function.name, session)
        by_name = dict(zip(function.inputs, arguments, strict=True))
        return engine.finished(result(*[by_name[name] for name in compiled.columns]), kind)

    return call


def _arguments(function: _Function, compiled: Compiled) -> list[tuple[int, pa.DataType]]:
    """Return for each source of a program the number of its argument, and a type that it may have."""
    type_of = _guess(function)
    return [(function.inputs.index(source.column), type_of(source).type) for source in compiled.sources]


def _guess(function: _Function) -> Callable[[Source], pa.Field]:
    """Return fields for columns of unknown type, with the first type that the stages accept."""
    from mmlrs.base import stage_spec

    kinds = {"image": pa.binary(), "binary": pa.binary(), "text": pa.string(), "numeric": pa.float64()}

    def field_of(source: Source) -> pa.Field:
        name = source.column
        for stage in function.stages:
            for param in stage_spec(stage._stage)["params"]:
                if param["role"] == "input" and name in _named(stage._value(param["name"])):
                    kind = next((kinds[a] for a in param["accepts"] if a in kinds), pa.list_(pa.float32()))
                    return pa.field(name, kind)
        return pa.field(name, pa.binary())

    return field_of


def _named(value: Any) -> list[str]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list) else [value]


def pandas_udf(stage: AnyStage) -> Any:
    """Return a stage as a pandas UDF, which Spark can run in one Python pass with other pandas UDFs.

    Parameters
    ----------
    stage : Transformer or PipelineModel
        As for `udf`.

    Returns
    -------
    pandas user-defined function
        Takes one pandas Series per input column. Vectors are returned as `array<float>`. Spark converts the nulls of a
        numeric column to NaN for pandas, so the stage receives NaN; `udf` keeps nulls and NaN apart.

    Raises
    ------
    InvalidParamError
        The stage is not native, returns several columns or drops rows.
    ExecutionError
        No Spark session is active.

    Examples
    --------
    >>> import mmlrs
    >>> from mmlrs.text import UnicodeNormalize
    >>> normalize = mmlrs.pandas_udf(UnicodeNormalize(inputCol="text"))
    """
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf as spark_pandas_udf

    from mmlrs.engine import spark as engine
    from mmlrs.engine.fields import spark_type

    function = _Function(stage)
    session = _session("pandas_udf")
    compiled, output = function.compile(session)
    kernel = engine.kernel_of(compiled, session)
    arguments = _arguments(function, compiled)
    check = partial(_check_arity, function.name, function.inputs)

    ordered = OrderedKernel(kernel, tuple(arguments), check, partial(as_type, kind=output.type))
    run = sent_function(partial(_on_series, ordered), function.name, takes=pd.Series, returns=pd.Series)
    return spark_pandas_udf(run, returnType=spark_type(output.type))  # type: ignore[call-overload]


def _on_series(kernel: OrderedKernel, *series: Any) -> Any:
    """Return the output of a kernel for pandas Series, as a Series."""
    import pandas as pd

    return pd.Series(kernel(*map(_arrow, series)).to_pandas().to_numpy())


def _arrow(series: Any) -> pa.Array:
    """Convert a Series, or the DataFrame that Spark makes of a struct column, to Arrow."""
    import pandas as pd

    if isinstance(series, pd.DataFrame):
        return pa.StructArray.from_arrays(
            [array_of(series[c]) for c in series.columns], names=list(series.columns)
        )
    array = array_of(series)
    return array.dictionary_decode() if isinstance(array, pa.DictionaryArray) else array


def register(spark: SparkSession, name: str, stage: AnyStage) -> None:
    """Register a stage as a SQL function.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        Classic or Connect.
    name : str
        The function's name: `SELECT name(image) FROM photos`.
    stage : Transformer or PipelineModel
        As for `udf`. Vectors are Spark ML vectors; before PySpark 4.1 they are `array<float>`, and a NaN or a timestamp in an
        argument is an error, because it cannot be told from a null or from another time.

    Raises
    ------
    InvalidParamError
        The stage is not native, returns several columns or drops rows, or the name is not a string. A query with the wrong
        number of columns fails when it runs.

    Examples
    --------
    >>> import mmlrs
    >>> from mmlrs.text import UnicodeNormalize
    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> mmlrs.register(spark, "plain", UnicodeNormalize(inputCol="text", lower=True))
    >>> spark.sql("SELECT plain('ABC') AS text").first()
    Row(text='abc')
    """
    from mmlrs.engine import spark as engine

    function = _Function(stage)
    if not hasattr(spark, "udf"):
        raise InvalidParamError(f"register: param `spark` must be a Spark session, got {spark!r}")
    if not name or not isinstance(name, str):
        raise InvalidParamError(f"register: param `name` must be the name of a function, got {name!r}")
    compiled, output = function.compile(spark)
    arguments = _arguments(function, compiled)
    check = partial(_check_arity, function.name, function.inputs)
    spark.udf.register(name, engine.sql_function(engine.kernel_of(compiled, spark), output, arguments, check))
