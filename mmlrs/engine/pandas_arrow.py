"""Scalar Arrow UDFs as pandas UDFs, for PySpark before 4.1. Only `mmlrs.engine.versions` imports this module.

Spark converts the columns to pandas and the result back, which loses information: nulls of numbers become NaN, integers next to
nulls become doubles, and timestamps lose their time zone. So each column is sent in a form that pandas does not change:

* a number as itself, 0 for a null, with a flag for nulls
* a timestamp as microseconds, with a flag for nulls
* a struct as its members, with a flag for nulls
* a list of numbers as itself. The lists that hold a null are sent once more, as strings.
* other columns as they are, with the numbers inside them as strings, if they may be null

The result is an extension array of pandas that holds the Arrow array, so it is not converted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyspark
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from mmlrs.engine.ddl import arrow_type
from mmlrs.engine.sent import sent_function
from mmlrs.errors import DecodeError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import Column

__all__ = [
    "ArrowUdf",
    "arrow_udf",
    "as_vector",
    "sql_udf",
    "typed",
]

_NEEDED = f"PySpark {pyspark.__version__} is installed; use PySpark 4.1 or newer"


# -- sending columns --------------------------------------------------------------------------------------------------


class Decoder(NamedTuple):
    """How a worker converts the pandas objects of a column to Arrow.

    Parameters
    ----------
    form : str
        The form of the column: one of the methods of `_FORMS`.
    sent : pyarrow.DataType or None
        The type of the sent column, or None if it is only known in the worker.
    kind : pyarrow.DataType or None
        The type of the array.
    """

    form: str
    sent: pa.DataType | None = None
    kind: pa.DataType | None = None


class Encoded(NamedTuple):
    """A column as it is sent."""

    columns: tuple[Any, ...]
    decoder: Decoder


def typed(
    stage: str, columns: Sequence[Any], fields: Sequence[tuple[str, Any, pa.DataType]]
) -> list[Encoded]:
    """Return columns as they are sent.

    Parameters
    ----------
    stage : str
        The stage that errors name.
    columns : list of Column or str
        The columns, or their quoted names.
    fields : list of (str, DataType, pyarrow.DataType)
        The name of each column, its type, and the type that the kernel expects.
    """
    encoded = []
    for column, (name, spark, arrow) in zip(columns, fields, strict=True):
        try:
            encoded.append(_encoded(F.col(column) if isinstance(column, str) else column, spark, arrow))
        except _NotSendableError as error:
            raise SchemaMismatchError(
                f"{stage}: column `{name}`: has type {spark.simpleString()}, and {error} cannot be sent to Python "
                f"without loss; {_NEEDED}"
            ) from None
    return encoded


class _NotSendableError(Exception):
    """Raised with the kind of values that pandas changes."""


def _encoded(column: Column, spark: Any, arrow: pa.DataType) -> Encoded:
    if isinstance(spark, T.NumericType) and not isinstance(spark, T.DecimalType):
        sent = F.coalesce(column, F.lit(0).cast(spark))
        return Encoded((sent, F.isnull(column)), Decoder("masked", arrow, arrow))
    if isinstance(spark, T.TimestampType):
        sent = F.coalesce(F.unix_micros(column), F.lit(0).cast("long"))
        return Encoded((sent, F.isnull(column)), Decoder("masked", pa.int64(), arrow))
    if isinstance(spark, T.ArrayType) and _is_changed(spark.elementType) and spark.containsNull:
        has_null = F.exists(column, F.isnull)
        values = column
        if isinstance(spark.elementType, T.LongType):
            values = F.when(~has_null, column)  # pandas would convert all lists of the batch to doubles
        return Encoded(
            (values, F.when(has_null, column.cast("array<string>"))), Decoder("lists", arrow, arrow)
        )
    sent_type = _unchanged(spark)
    sent = column if sent_type == spark else column.cast(sent_type)
    sent_arrow = arrow if sent_type == spark else to_arrow_type(sent_type)
    if isinstance(spark, T.StructType):
        return Encoded((sent, F.isnull(column)), Decoder("members", sent_arrow, arrow))
    return Encoded((sent,), Decoder("objects", sent_arrow, arrow))


def _is_changed(spark: Any) -> bool:
    """Return whether pandas changes the values of a list or struct next to a null."""
    return isinstance(spark, T.NumericType) and not isinstance(spark, T.DecimalType)


def _unchanged(spark: Any, *, nullable: bool = False, small_integers: bool = False) -> Any:
    """Return the type as which values are sent: strings for numbers that may be null, at any depth."""
    if isinstance(spark, T.TimestampType | T.MapType):
        raise _NotSendableError("nested timestamps" if isinstance(spark, T.TimestampType) else "maps")
    if isinstance(spark, T.TimestampNTZType):
        return T.StringType()
    if isinstance(spark, T.ArrayType):
        return T.ArrayType(_unchanged(spark.elementType, nullable=spark.containsNull), spark.containsNull)
    if isinstance(spark, T.StructType):
        # The members of a null struct are null. As doubles, small integers are still exact.
        members = [_unchanged(f.dataType, nullable=True, small_integers=True) for f in spark]
        return T.StructType(
            [T.StructField(f.name, m, f.nullable) for f, m in zip(spark, members, strict=True)]
        )
    if nullable and _is_changed(spark):
        exact = small_integers and isinstance(spark, T.ByteType | T.ShortType | T.IntegerType)
        return spark if exact else T.StringType()
    return spark


def _described(argument: Any) -> Encoded:
    """Return a column of unknown type as it is sent, with its type."""
    if isinstance(argument, Encoded):
        return argument
    column = F.col(argument) if isinstance(argument, str) else argument
    return Encoded((column, F.isnull(column), F.typeof(column)), Decoder("described"))


# -- converting pandas objects to Arrow, in the worker ----------------------------------------------------------------


def _masked(decoder: Decoder, values: Any, nulls: Any) -> pa.Array:
    array = pa.array(values.to_numpy(), decoder.sent, mask=nulls.to_numpy(dtype=bool), from_pandas=False)
    return array if decoder.sent == decoder.kind else _restored(array, decoder.kind)


def _lists(decoder: Decoder, values: Any, texts: Any) -> pa.Array:
    assert decoder.kind is not None
    numbers = decoder.kind.value_type
    dtype = numbers.to_pandas_dtype()
    rows = (
        [None if row is None else np.asarray(row).astype(dtype, copy=False) for row in values]
        if not texts.notna().any()
        else _merged(values, texts, numbers, dtype)
    )
    return pa.array(rows, decoder.kind, from_pandas=False)


def _merged(values: Any, texts: Any, numbers: pa.DataType, dtype: Any) -> list[Any]:
    """Return lists, some of which are given as strings because they hold a null."""
    rows: list[Any] = []
    for row, text in zip(values, texts, strict=True):
        if text is not None:
            rows.append(pa.array(list(text), pa.string(), from_pandas=False).cast(numbers).to_pylist())
        else:
            rows.append(None if row is None else np.asarray(row).astype(dtype, copy=False))
    return rows


def _objects(decoder: Decoder, values: Any) -> pa.Array:
    array = pa.array(_plain_cells(values), decoder.sent, from_pandas=False)
    return array if decoder.sent == decoder.kind else _restored(array, decoder.kind)


def _restored(array: pa.Array, kind: Any) -> pa.Array:
    """Return an array with the strings of numbers as numbers. `cast` would also read the strings below a null."""
    if pa.types.is_struct(kind):
        members = [_restored(a, f.type) for a, f in zip(array.flatten(), kind, strict=True)]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        elements = _restored(array.values, kind.value_type)
        return pa.ListArray.from_arrays(array.offsets, elements, type=kind, mask=array.is_null())
    return array if array.type == kind else array.cast(kind)


def _plain_cells(values: Any) -> Any:
    """Return the cells of a Series without the types of pandas for missing values."""
    if values.dtype == object:
        return values.to_numpy()
    return values.astype(object).where(values.notna(), None).to_numpy()


def _members(decoder: Decoder, frame: Any, nulls: Any) -> pa.Array:
    assert decoder.sent is not None
    members = [_member(frame.iloc[:, i], field.type) for i, field in enumerate(decoder.sent)]
    array = (
        pa.StructArray.from_arrays(members, fields=list(decoder.sent), mask=_mask(nulls))
        if members
        else pa.array([{}] * len(frame), decoder.sent)
    )
    return array if decoder.sent == decoder.kind else _restored(array, decoder.kind)


def _mask(nulls: Any) -> pa.Array:
    return pa.array(nulls.to_numpy(dtype=bool))


def _member(values: Any, kind: pa.DataType) -> pa.Array:
    if values.dtype.kind == "f" and pa.types.is_integer(kind):
        missing = values.isna().to_numpy()
        return pa.array(values.fillna(0).to_numpy().astype(kind.to_pandas_dtype()), kind, mask=missing)
    return pa.array(_plain_cells(values), kind, from_pandas=False)


def _of_described(_: Decoder, values: Any, nulls: Any, types: Any) -> pa.Array:
    """Convert a column whose type arrives with it."""
    kind = _parsed(types.iloc[0])
    missing = nulls.to_numpy(dtype=bool)
    if kind is None:
        return _of_inferred(Decoder("inferred"), values)
    if pa.types.is_struct(kind):
        members = [
            _guarded(_member(values.iloc[:, i], f.type), values.iloc[:, i]) for i, f in enumerate(kind)
        ]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=pa.array(missing))
    if pa.types.is_floating(kind):
        return pa.array(values.to_numpy(), kind, mask=missing, from_pandas=False)
    if pa.types.is_integer(kind):
        numbers = values.fillna(0).to_numpy()
        if numbers.dtype.kind == "f" and np.abs(numbers).max(initial=0) >= 2**53:
            raise _ambiguous("integers of 2**53 or more next to nulls,")
        return pa.array(numbers.astype(kind.to_pandas_dtype()), kind, mask=missing)
    if pa.types.is_timestamp(kind):
        raise _ambiguous("timestamps,")
    return _guarded(pa.array(_plain_cells(values), kind, from_pandas=False), values)


@lru_cache(64)
def _parsed(text: str) -> pa.DataType | None:
    """Return the Arrow type of a type that Spark names, or None for the types that only Spark has."""
    try:
        return arrow_type(text)
    except ValueError:
        return None


def _of_inferred(_: Decoder, values: Any) -> pa.Array:
    """Convert an argument of a SQL function, of which only the values are known."""
    if hasattr(values, "columns"):
        members = [_of_inferred(_, values.iloc[:, i]) for i in range(values.shape[1])]
        nulls = values.isna().all(axis=1).to_numpy()
        return pa.StructArray.from_arrays(members, names=list(values.columns), mask=pa.array(nulls))
    if values.dtype.kind == "M":
        raise _ambiguous("timestamps,")
    return _guarded(pa.array(_plain_cells(values), from_pandas=False), values)


def _guarded(array: pa.Array, values: Any) -> pa.Array:
    """Return the array, unless it holds a NaN that may have been a null."""
    flat = array
    while pa.types.is_list(flat.type):
        flat = flat.flatten()
    if pa.types.is_floating(flat.type):
        missing = values.isna().any() if flat is array else pc.any(pc.is_nan(flat)).as_py()
        if missing:
            raise _ambiguous("NaN, or null,")
    return array


def _ambiguous(what: str) -> DecodeError:
    return DecodeError(
        f"a column holds {what} which cannot be sent to a function without loss; replace it with `coalesce`, use the "
        f"stage's `transform`, or PySpark 4.1 or newer"
    )


_FORMS: dict[str, Callable[..., pa.Array]] = {
    "masked": _masked,
    "lists": _lists,
    "objects": _objects,
    "members": _members,
    "described": _of_described,
    "inferred": _of_inferred,
}

#: The converted columns of the current batch: functions of one query share the pandas objects.
_converted: dict[tuple[int, Decoder], tuple[Any, pa.Array]] = {}


def _decoded(decoder: Decoder, parts: Sequence[Any]) -> pa.Array:
    """Return a column as an Arrow array; the same array for the same pandas objects, so that results can be shared."""
    key = (id(parts[0]), decoder)
    known = _converted.get(key)
    if known is not None and known[0]() is parts[0]:
        return known[1]
    array = _FORMS[decoder.form](decoder, *parts)
    reference = weakref.ref(parts[0], lambda _: _converted.pop(key, None))
    _converted[key] = (reference, array)
    return array


# -- results ----------------------------------------------------------------------------------------------------------


@lru_cache(1)
def _holders() -> tuple[Any, Any]:
    """Return the classes of a Series and a DataFrame whose Arrow arrays PySpark does not convert."""
    import pandas as pd

    class ArrowSeries(pd.Series):
        """A Series that holds an Arrow array."""

        def apply(self, *args: Any, **kwargs: Any) -> Any:
            """Return the Series: PySpark would convert each list, which makes nulls of NaN."""
            return self

    class ArrowFrame(pd.DataFrame):
        """A DataFrame of such Series."""

        @property
        def _constructor_sliced(self) -> Any:
            return ArrowSeries

    return ArrowSeries, ArrowFrame


def _held(array: pa.Array) -> Any:
    """Return an Arrow array as a Series that holds it."""
    import pandas as pd

    series, _ = _holders()
    return series(pd.arrays.ArrowExtensionArray(array))


def _frame(columns: dict[str, pa.Array]) -> Any:
    import pandas as pd

    _, frame = _holders()
    return frame({name: pd.arrays.ArrowExtensionArray(array) for name, array in columns.items()})


def _combined(array: Any) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


#: The struct of a vector. Its members may be null, as in the Arrow type that PySpark makes of it.
_VECTOR = (
    T.StructType()
    .add("type", T.ByteType())
    .add("size", T.IntegerType())
    .add("indices", T.ArrayType(T.IntegerType()))
    .add("values", T.ArrayType(T.DoubleType()))
)
#: The member of the struct in which a struct is returned, because a pandas UDF cannot return a null struct.
_WRAPPED = "v"


def _without_vectors(spark: Any) -> Any:
    """Return a type with the structs of vectors, which a pandas UDF can return."""
    if isinstance(spark, VectorUDT):
        return _VECTOR
    if isinstance(spark, T.StructType):
        return T.StructType([T.StructField(f.name, _without_vectors(f.dataType), f.nullable) for f in spark])
    return spark


class ArrowUdf:
    """A function of Arrow arrays as a function of columns.

    Parameters
    ----------
    function : callable
        Takes an Arrow array per column and returns one of the same length.
    returns : DataType or str
        The Spark type of the result. Vectors are returned as their structs: see `as_vector`.
    """

    def __init__(self, function: Callable[..., Any], returns: Any) -> None:
        self._function = function
        self._returns = _without_vectors(returns)
        self._deterministic = True
        self._udfs: dict[tuple[Any, ...], Any] = {}

    def asNondeterministic(self) -> ArrowUdf:
        """Return the function as one that Spark calls once per row."""
        self._deterministic = False
        return self

    def __call__(self, *arguments: Any) -> Column:
        """Return the column of the results."""
        encoded = [_described(argument) for argument in arguments]
        shape = tuple((one.decoder, len(one.columns)) for one in encoded)
        if shape not in self._udfs:
            self._udfs[shape] = self._pandas_udf(shape)
        result = self._udfs[shape](*[column for one in encoded for column in one.columns])
        return result[_WRAPPED] if isinstance(self._returns, T.StructType) else result

    def _pandas_udf(self, shape: tuple[tuple[Decoder, int], ...]) -> Any:
        function, returns = self._function, self._returns
        wrapped = isinstance(returns, T.StructType)
        if wrapped:
            returns = T.StructType([T.StructField(_WRAPPED, returns)])
        udf = _pandas_udf(partial(_on_columns, function, shape, wrapped), function.__name__, returns)
        return udf if self._deterministic else udf.asNondeterministic()


def _on_columns(
    function: Callable[..., Any], shape: tuple[tuple[Decoder, int], ...], wrapped: bool, *parts: Any
) -> Any:
    """Call a function of Arrow arrays with columns of the shape that an `ArrowUdf` sends."""
    left = iter(parts)
    arrays = [_decoded(decoder, [next(left) for _ in range(count)]) for decoder, count in shape]
    result = _combined(function(*arrays))
    return _frame({_WRAPPED: result}) if wrapped else _held(result)


def _pandas_udf(work: Callable[..., Any], name: str, returns: Any) -> Any:
    import pandas as pd
    from pyspark.sql.pandas.functions import pandas_udf

    result = pd.DataFrame if isinstance(returns, T.StructType) else pd.Series
    create: Any = pandas_udf
    return create(sent_function(work, name, takes=pd.Series, returns=result), returnType=returns)


def arrow_udf(function: Callable[..., Any], returnType: Any) -> ArrowUdf:
    """Return a function of Arrow arrays as a function of columns."""
    return ArrowUdf(function, returnType)


def sql_udf(function: Callable[..., Any], returnType: Any) -> Any:
    """Return a function of Arrow arrays as a UDF to register for SQL, where the types of the arguments are unknown."""
    name = returnType if isinstance(returnType, str) else returnType.simpleString()
    work = partial(_on_sql_arguments, function, name)
    return _pandas_udf(work, function.__name__, returnType)


def _on_sql_arguments(function: Callable[..., Any], returns: str, *parts: Any) -> Any:
    """Call a function of Arrow arrays with the arguments of a SQL function."""
    result = _combined(function(*[_decoded(Decoder("inferred"), [part]) for part in parts]))
    if not pa.types.is_struct(result.type):
        return _held(result)
    if result.null_count:
        raise DecodeError(
            f"{function.__name__}: a null {returns} cannot be returned to SQL; use the stage's "
            f"`transform`, or PySpark 4.1 or newer"
        )
    return _frame(dict(zip([field.name for field in result.type], result.flatten(), strict=True)))


def as_vector(column: Column) -> Column:
    """Return a column of the structs of Spark ML vectors as vectors, inside the JVM.

    Only the JSON parser makes sparse vectors.
    """
    schema = T.StructType([T.StructField("v", VectorUDT())])
    sparse = F.from_json(F.to_json(F.struct(column.alias("v"))), schema)["v"]
    dense = array_to_vector(column["values"])
    return F.when(column["type"] == F.lit(1), dense).when(column["type"] == F.lit(0), sparse)
