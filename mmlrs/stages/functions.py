"""Python functions as stages, for a whole dataset or for the values of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs._generated import stages as _generated
from mmlrs._messages import shown
from mmlrs.engine.ddl import arrow_type
from mmlrs.engine.table import batches_of
from mmlrs.errors import DecodeError, ExecutionError, InvalidParamError, SchemaMismatchError
from mmlrs.params.functions import name_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = ["Lambda", "UDFTransformer"]


class Lambda(_generated.Lambda):
    __doc__ = _generated.Lambda.__doc__
    __module__ = "mmlrs.stages"

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.sql import DataFrame

        return self._called(df, DataFrame, "a Spark DataFrame")

    def _transform_table(self, table: pa.Table) -> pa.Table:
        return self._called(table, pa.Table, "a pyarrow.Table")

    def _called(self, dataset: FrameOrTable, kind: type, word: str) -> Any:
        """Return the result of the function, which must be a dataset of the same kind."""
        function: Any = self.getTransformFunc()
        try:
            result = function(dataset)
        except Exception as error:
            raise ExecutionError(
                f"{self._stage}: param `transformFunc`: {name_of(function)} failed: {_cause(error)}"
            ) from error
        if not isinstance(result, kind):
            raise SchemaMismatchError(
                f"{self._stage}: param `transformFunc`: {name_of(function)} must return {word}, like its argument, but "
                f"returned a {type(result).__module__}.{type(result).__qualname__}"
            )
        return result


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class UDFTransformer(_generated.UDFTransformer):
    __doc__ = _generated.UDFTransformer.__doc__
    __module__ = "mmlrs.stages"

    def _check_params(self) -> None:
        super()._check_params()
        input_col, input_cols = self.getInputCol(), self.getInputCols()
        if (input_col is None) == (input_cols is None):
            problem = (
                "or `inputCols` must be set"
                if input_col is None
                else "must not be set together with `inputCols`"
            )
            raise InvalidParamError(f"{self._stage}: param `inputCol` {problem}")
        function: Any = self.getUdf()
        if not _is_udf(function):
            if self.getReturnType() is None:
                raise InvalidParamError(
                    f"{self._stage}: param `returnType` must be set, because {name_of(function)} is a plain function and not a UDF"
                )
            return
        if self.getReturnType() is not None:
            raise InvalidParamError(
                f"{self._stage}: param `returnType` must not be set, because the UDF {name_of(function)} has a return type"
            )
        self._method(function)

    def _method(self, udf: Any) -> str:
        """Return the name of the method of `_Calls` that calls a UDF of PySpark."""
        from mmlrs.engine.versions import eval_types

        kinds = eval_types()
        methods = {
            kinds.SQL_BATCHED_UDF: "by_row",
            kinds.SQL_ARROW_BATCHED_UDF: "by_row",
            kinds.SQL_SCALAR_PANDAS_UDF: "by_series",
            getattr(kinds, "SQL_SCALAR_ARROW_UDF", None): "by_array",
        }
        if udf.evalType not in methods:
            raise InvalidParamError(
                f"{self._stage}: param `udf` must map a row to a value, or columns to a column; {name_of(udf)} is an "
                "iterator or aggregate UDF"
            )
        return methods[udf.evalType]

    def _columns(self, role: str) -> list[str]:
        """Return the columns in the order of the arguments. A column may occur twice."""
        if role != "input":
            return super()._columns(role)
        input_col: Any = self.getInputCol()
        return list(self.getInputCols() or []) if input_col is None else [input_col]

    def _bad_type(self, error: Exception) -> InvalidParamError:
        reason = str(error).strip().split("\n")[0]
        return InvalidParamError(
            f"{self._stage}: param `returnType` cannot be used: {self.getReturnType()!r}: {reason}"
        )

    def _transform_spark(self, df: DataFrame) -> DataFrame:
        from pyspark.errors import PySparkException
        from pyspark.sql import functions as F

        from mmlrs.engine import spark

        columns = [F.col(spark.quoted(n)) for n in self._inputs(df)]
        function: Any = self.getUdf()
        if not _is_udf(function):
            try:
                # Without Arrow, Spark makes nulls of values that do not fit the type.
                function = F.udf(function, str(self.getReturnType()), useArrow=True)
            except PySparkException as error:
                raise self._bad_type(error) from None
        result = function(*columns).alias(self.getOutputCol())
        return spark.with_lineage(df.select("*", result), spark.lineage_of(df))

    def _transform_table(self, table: pa.Table) -> pa.Table:
        names = self._inputs(table)
        function: Any = self.getUdf()
        kind = self._arrow_kind(function)
        words = ("column " if len(names) == 1 else "columns ") + ", ".join(f"`{name}`" for name in names)
        udf = _is_udf(function)
        calls = _Calls(f"{self._stage}: {words}", function.func if udf else function, kind)
        call = getattr(calls, self._method(function) if udf else "by_row")
        batches = batches_of(table.select(list(dict.fromkeys(names))))
        chunks = [call([batch.column(name) for name in names]) for batch in batches]
        return table.append_column(pa.field(self.getOutputCol(), kind), pa.chunked_array(chunks, kind))

    def _arrow_kind(self, function: Any) -> pa.DataType:
        """Return the Arrow type of the results."""
        if not _is_udf(function):
            try:
                return arrow_type(str(self.getReturnType()))
            except ValueError as error:
                raise self._bad_type(error) from None
        from mmlrs.engine.versions import to_arrow_type

        try:
            return to_arrow_type(function.returnType, timezone="UTC")
        except Exception as error:  # noqa: BLE001 - pyspark raises many classes of errors
            raise self._bad_type(error) from None


def _is_udf(function: Any) -> bool:
    """Return whether this is a UDF of PySpark, classic or Connect, and not a plain function."""
    return hasattr(function, "asNondeterministic") and hasattr(function, "evalType")


class _Calls:
    """Calls a function with batches of a table. `where` begins the message of every error."""

    def __init__(self, where: str, function: Any, kind: pa.DataType) -> None:
        self._where, self._function, self._kind = where, function, kind
        self._name, self._done = name_of(function), 0

    def by_row(self, columns: list[pa.Array]) -> pa.Array:
        """Call the function once per row with Python values."""
        results = []
        try:
            values = [column.to_pylist(maps_as_pydicts="strict") for column in columns]
        except (OverflowError, ValueError) as error:
            raise DecodeError(f"{self._where}: holds a value that Python cannot hold: {error}") from None
        for row in zip(*values, strict=True):
            try:
                results.append(self._function(*row))
            except Exception as error:
                raise self._failed(f"row {self._done + len(results)} of the table", error) from error
        array = self._array(results)
        self._done += len(results)
        return array

    def by_series(self, columns: list[pa.Array]) -> pa.Array:
        """Call the function once with a pandas Series per column, or a DataFrame for a struct column."""
        return self._by_column([_pandas(column) for column in columns], len(columns[0]))

    def by_array(self, columns: list[pa.Array]) -> pa.Array:
        """Call the function once with Arrow arrays."""
        return self._by_column(columns, len(columns[0]))

    def _by_column(self, columns: list[Any], rows: int) -> pa.Array:
        where = f"rows {self._done} to {self._done + rows - 1} of the table"
        try:
            result = self._function(*columns)
            if isinstance(result, pa.ChunkedArray):
                result = result.combine_chunks()
            array = result.cast(self._kind) if isinstance(result, pa.Array) else _unpandas(result, self._kind)
        except Exception as error:
            raise self._failed(where, error) from error
        if len(array) != rows:
            raise ExecutionError(
                f"{self._where}, {where}: {self._name} returned {len(array)} values for {rows} rows"
            )
        self._done += rows
        return array

    def _array(self, values: list[Any]) -> pa.Array:
        """Return the values as an array. The error names the first value that does not fit the type."""
        try:
            return pa.array(values, self._kind)
        except Exception:
            for i, value in enumerate(values):
                try:
                    pa.array([value], self._kind)
                except Exception as error:
                    raise ExecutionError(
                        f"{self._where}, row {self._done + i} of the table: {self._name} returned {shown(value)}, which is not of type {self._kind}: "
                        f"{_cause(error)}"
                    ) from error
            raise

    def _failed(self, place: str, error: Exception) -> ExecutionError:
        return ExecutionError(f"{self._where}, {place}: {self._name} failed: {_cause(error)}")


def _pandas(column: pa.Array) -> Any:
    if pa.types.is_struct(column.type):
        return pa.Table.from_arrays(column.flatten(), names=[field.name for field in column.type]).to_pandas()
    return column.to_pandas()


def _unpandas(result: Any, kind: pa.DataType) -> pa.Array:
    if type(result).__name__ == "DataFrame" and pa.types.is_struct(kind):
        return (
            pa.Table.from_pandas(result, pa.schema(list(kind)), preserve_index=False)
            .to_struct_array()
            .combine_chunks()
        )
    return pa.array(result, kind, from_pandas=True)
