"""Stages as column functions, in Python and in SQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.missing import array_of
from mmlrs.engine.sent import sent_function
from mmlrs.engine.worker import OrderedKernel, as_type
from mmlrs.errors import InvalidParamError
from mmlrs.functions._stage import StageFunction, active, check_session

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession

    from mmlrs._types import AnyStage

__all__ = ["pandas_udf", "register", "udf"]


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
    function = StageFunction(stage)

    def call(*columns: Any) -> Column:
        return function.column(columns, "udf")

    return call


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

    from mmlrs.engine.fields import spark_type

    function = StageFunction(stage)
    session = active("pandas_udf")
    compiled, output = function.compile(session)
    kernel = function.kernel(compiled, session)
    order, check = tuple(function.arguments(compiled)), function.arity_check()
    ordered = OrderedKernel(kernel, order, check, partial(as_type, kind=output.type))
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
    function = StageFunction(stage, name)
    check_session("register", spark)
    if not name or not isinstance(name, str):
        raise InvalidParamError(f"register: param `name` must be the name of a function, got {name!r}")
    spark.udf.register(name, function.for_sql(spark))
