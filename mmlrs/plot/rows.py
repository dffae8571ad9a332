"""The rows that plots read, from any kind of dataset or from plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs import _native
from mmlrs._messages import counted, shown
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_pandas, is_polars, is_spark, is_table, refused
from mmlrs.engine.select import without_views
from mmlrs.engine.table import to_table
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.train.scored import METADATA, facts_of, levels_of
from mmlrs.vectors import to_numpy

__all__ = ["Floats", "Rows", "Values", "column_names", "left_out", "models_in", "named_pair", "read"]

Floats = npt.NDArray[np.float64]
_TEXTS = (str,)
#: How far a probability that a network computed may be outside of 0 to 1.
_ROUNDING = 1e-5
#: Members of the metadata of a column.
Facts = dict[str, Any]


@dataclass(frozen=True)
class Values:
    """The values of a column of labels: the distinct values, and the place of each row's value in them, -1 for null."""

    codes: npt.NDArray[np.int64]
    values: list[Any]

    def renamed(self, values: Iterable[Any]) -> Values:
        """Return the same rows with other distinct values, of which some may be equal."""
        places: dict[Any, int] = {}
        moved = [places.setdefault(value, len(places)) for value in values]
        return Values(np.array([*moved, -1], np.int64)[self.codes], list(places))

    def codes_in(self, order: Sequence[Any]) -> npt.NDArray[np.int64]:
        """Return the place of each row's value in another list; -1 for null, -2 for a value that is not in the list."""
        places = {value: place for place, value in enumerate(order)}
        return np.array([*(places.get(value, -2) for value in self.values), -1], np.int64)[self.codes]


@dataclass(frozen=True)
class Rows:
    """The columns that a plot reads, by their role, such as "label"."""

    function: str
    table: pa.Table
    names: dict[str, str]
    facts: dict[str, Facts]
    #: Whether row numbers mean something to the user. The rows of a Spark DataFrame have no order.
    numbered: bool

    def where(self, role: str, row: int | None = None) -> str:
        """Return the beginning of an error about a column, or about one of its rows."""
        place = f", row {row}" if row is not None and self.numbered else ""
        return f"{self.function}: column `{self.names[role]}`{place}"

    def column(self, role: str) -> pa.ChunkedArray:
        """Return a column."""
        return self.table.column(self.table.column_names.index(role))

    def is_vector(self, role: str) -> bool:
        """Return whether a column holds lists or vectors."""
        return pa.types.is_nested(_plain(self.column(role).type))

    def values(self, role: str) -> Values:
        """Return a column of labels. NaN is null."""
        column = self.column(role)
        kind = _plain(column.type)
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise SchemaMismatchError(
                f"{self.where(role)}: has type {column.type}; expected labels: text, numbers, booleans or dates"
            )
        encoded = column.combine_chunks().dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        values = encoded.dictionary.to_pylist()
        missing = [value is None or value != value for value in values]
        if any(missing):
            moved = np.cumsum(~np.array(missing)) - 1
            codes = np.array([*np.where(missing, -1, moved), -1], np.int64)[codes]
            values = [value for value in values if value is not None and value == value]
        return Values(codes, values)

    def numbers(self, role: str) -> Floats:
        """Return a column of numbers as 64-bit floats, with NaN for null."""
        column = self.column(role)
        kind = _plain(column.type)
        checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
        if pa.types.is_decimal(kind):
            column = column.cast(pa.float64())
        elif not any(check(kind) for check in checks):
            raise SchemaMismatchError(f"{self.where(role)}: has type {column.type}; expected numbers")
        if pa.types.is_boolean(kind):
            column = column.cast(pa.uint8())
        column = column.cast(pa.float64(), safe=False)
        numbers: Floats = column.to_numpy()
        return numbers

    def check_probabilities(self, role: str) -> None:
        """Raise if a number, or a number of a vector, is not between 0 and 1. Rounding errors are fine."""
        numbers = self.matrix(role) if self.is_vector(role) else self.numbers(role)[:, None]
        outside = (numbers < -_ROUNDING) | (numbers > 1 + _ROUNDING)
        if not outside.any():
            return
        row = int(np.argmax(outside.any(axis=1)))
        number = float(numbers[row][outside[row]][0])
        raise DecodeError(
            f"{self.where(role, row)}: {number:.6g} is not a probability, which is between 0 and 1; divide percent by 100, and turn "
            "raw scores into probabilities with a calibrator or the logistic function"
        )

    def matrix(self, role: str) -> Floats:
        """Return a column of vectors as a matrix with a row per row, NaN for null."""
        try:
            return to_numpy(self.column(role)).astype(np.float64)
        except (DecodeError, SchemaMismatchError) as error:
            cause = str(error).partition(": ")[2]
            raise type(error)(f"{self.where(role)}: {cause}") from None


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def column_names(data: Any) -> list[str]:
    """Return the names of the columns of a dataset; none for another object."""
    if is_spark(data):
        return list(data.columns)
    if is_pandas(data) or is_polars(data):
        return [str(name) for name in data.columns]
    schema = getattr(data, "schema", None)
    return list(schema.names) if isinstance(schema, pa.Schema) else []


def read(function: str, data: Any, columns: Mapping[str, str | None], *, counts: bool = False) -> Rows:
    """Read columns of a dataset or of arrays.

    `columns` gives the column of each role; a role without a column is left out. A sequence of as many arrays as there are
    roles stands for the columns. With `counts`, equal rows of a Spark DataFrame become one, with their number in the column
    `count`, so that few rows leave Spark.
    """
    wanted = {role: name for role, name in columns.items() if name is not None}
    for role, name in wanted.items():
        if not isinstance(name, str):
            raise InvalidParamError(
                f"{function}: param `{role}_col` must be the name of a column, got {shown(name)}"
            )
    if is_spark(data):
        names = dict(zip(wanted, _all_of(Columns.of(data, function), wanted)))
        facts = facts_of(data)
        return Rows(
            function,
            _collected(data, names, counts),
            names,
            {role: facts[n] for role, n in names.items()},
            numbered=False,
        )
    if is_table(data):
        names = dict(zip(wanted, _resolved(function, data, wanted)))
        table = _only(function, data, set(names.values()))
        facts = facts_of(table)
        table = pa.table({role: table.column(name) for role, name in names.items()})
        return Rows(function, table, names, {role: facts[n] for role, n in names.items()}, numbered=True)
    if isinstance(data, list | tuple) and len(data) == len(wanted) and all(map(_is_array, data)):
        return _of_arrays(function, data, wanted)
    raise refused(function, "read", data)


def _collected(df: Any, names: Mapping[str, str], counts: bool) -> pa.Table:
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted
    from mmlrs.engine.versions import table_of

    frame = df.select([F.col(quoted(name)).alias(role) for role, name in names.items()])
    if counts:
        frame = frame.groupBy(*names).agg(F.count(F.lit(1)).alias("count"))
    return table_of(frame)


def _resolved(function: str, data: Any, wanted: Mapping[str, str]) -> list[str]:
    names = column_names(data) or to_table(data).column_names
    return _all_of(Columns(names, function), wanted)


def _all_of(columns: Columns, wanted: Mapping[str, str]) -> list[str]:
    """Return the columns of all roles. No column of predictions is suggested for missing labels."""
    label = wanted.get("label")
    near = None if label is None or columns.get(label) else _native.nearest(label, columns.names)
    if near is not None and "predict" in near.lower():
        raise ColumnNotFoundError(
            f"{columns.owner}: column `{label}`: not found; name the column of the true labels; the columns are "
            f"{', '.join(f'`{name}`' for name in columns.names[:20])}"
        )
    return columns.resolve_all(wanted.values())


def _only(function: str, data: Any, names: set[str]) -> pa.Table:
    """Return some columns of a table. The others, perhaps pictures, are not converted."""
    if is_pandas(data):
        data = data.loc[:, [str(label) in names for label in data.columns]]
        for place, kind in enumerate(data.dtypes):
            cells = data.iloc[:, place]
            if kind == object and (made := _vectors(function, str(data.columns[place]), cells)) is not None:  # noqa: E721
                data = data.copy(deep=False)
                data.isetitem(place, made.to_pylist())
    elif is_polars(data):
        data = data.select(sorted(names))
    return without_views(to_table(data).select(list(names)))


def _vectors(function: str, column: str, cells: Iterable[Any]) -> pa.Array | None:
    """Return vectors of pyspark as lists of one length, or None if there are none. NaN stands for a null."""
    cells = list(cells)
    if not any(hasattr(cell, "toArray") for cell in cells):
        return None
    try:
        matrix = to_numpy([cell if hasattr(cell, "toArray") else None for cell in cells])
    except DecodeError as error:
        raise DecodeError(f"{function}: column `{column}`: {str(error).partition(': ')[2]}") from None
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _is_array(item: Any) -> bool:
    return (
        not isinstance(item, str | bytes | Mapping)
        and isinstance(item, Iterable)
        and not (is_table(item) or is_spark(item))
    )


def _of_arrays(function: str, arrays: Sequence[Any], wanted: Mapping[str, str]) -> Rows:
    columns = {role: _array(function, role, array) for role, array in zip(wanted, arrays)}
    sizes = [len(column) for column in columns.values()]
    if len(set(sizes)) > 1:
        counts = ", ".join(f"{size:,} for `{role}`" for role, size in zip(columns, sizes))
        raise InvalidParamError(f"{function}: the arrays must have one length, got {counts}")
    return Rows(
        function, pa.table(columns), {role: role for role in wanted}, {role: {} for role in wanted}, True
    )


def _array(function: str, role: str, array: Any) -> pa.ChunkedArray:
    """Return an array of any library as a column."""
    if isinstance(array, np.ndarray) and array.ndim == 2:
        flat = pa.array(np.ascontiguousarray(array).ravel())
        return pa.chunked_array([pa.FixedSizeListArray.from_arrays(flat, array.shape[1])])
    if (
        not isinstance(array, pa.Array | pa.ChunkedArray)
        and str(getattr(array, "dtype", "object")) == "object"
    ):
        array = list(array)
        if (vectors := _vectors(function, role, array)) is not None:
            array = vectors
    try:
        if not isinstance(array, pa.Array | pa.ChunkedArray):
            array = pa.array(array if hasattr(array, "dtype") else list(array), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise SchemaMismatchError(
            f"{function}: column `{role}`: cannot be read as one type: {error}"
        ) from None
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def models_in(function: str, data: Any) -> dict[str, Any]:
    """Return datasets by the name of their model; a single dataset has the name ""."""
    if not isinstance(data, Mapping):
        return {"": data}
    if not data:
        raise InvalidParamError(f"{function}: param `data` names no model")
    for name, dataset in data.items():
        if not (is_spark(dataset) or is_table(dataset) or isinstance(dataset, list | tuple)):
            raise refused(f"{function}: model `{name}`", "read", dataset)
    return {str(name): dataset for name, dataset in data.items()}


def named_pair(rows: Rows) -> tuple[Values, Values]:
    """Return the labels and the predictions as comparable values.

    Predictions that are class numbers become the classes that the metadata of the columns names.
    """
    labels, predictions = rows.values("label"), rows.values("prediction")
    facts = rows.facts["prediction"]
    names, guessed = levels_of(rows.facts["label"]), levels_of(facts)
    classes = facts.get(METADATA, {}).get("labels")
    if classes is not None:
        predictions = _numbered(predictions, classes)
    elif guessed is not None and (_is_text(labels) or names is not None):
        predictions = _numbered(predictions, guessed)
    elif names is not None and not _is_text(labels):
        predictions = _numbered(predictions, names)
    if names is not None:
        labels = _numbered(labels, names)
    if labels.values and predictions.values and _is_text(labels) != _is_text(predictions):
        kinds = [("text" if _is_text(v) else "numbers") for v in (labels, predictions)]
        raise SchemaMismatchError(
            f"{rows.where('prediction')}: has {kinds[1]}, but the labels in `{rows.names['label']}` are {kinds[0]}; "
            "IndexToValue converts class numbers to labels"
        )
    return labels, predictions


def _is_text(values: Values) -> bool:
    return any(isinstance(value, _TEXTS) for value in values.values)


def _numbered(values: Values, classes: Sequence[Any]) -> Values:
    """Return class numbers as the classes; other values unchanged."""
    return values.renamed(_class_of(value, classes) for value in values.values)


def _class_of(value: Any, classes: Sequence[Any]) -> Any:
    if isinstance(value, int | float) and float(value).is_integer() and 0 <= value < len(classes):
        return classes[int(value)]
    return value


def left_out(count: int, what: str = "with null") -> str:
    """Return the part of a title that says how many rows are not drawn."""
    return f"\n{counted(count, 'row')} {what} left out" if count else ""
