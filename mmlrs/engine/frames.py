"""Convert pandas and polars DataFrames to tables and back, with labels and cells of any type, and the index.

The column names of a table are strings, and each column has one type. The labels of a pandas DataFrame may be any objects, and a
column of objects may mix a set and a number. Columns that Arrow cannot hold stay in the DataFrame. In the table they are columns
of row numbers ("places"), which stages pass through like any other column and which are replaced by the objects afterwards. The
type of such a column names its content, so a stage that reads it raises with the cause. Images and vectors that are objects are converted,
and become the original objects again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.engine.cells import UNORDERED, file_cells, has_pictures
from mmlrs.engine.fields import is_vector_struct
from mmlrs.engine.linalg import vector_cells, vector_dicts
from mmlrs.engine.missing import with_nan
from mmlrs.engine.select import pieces
from mmlrs.errors import SchemaMismatchError

__all__ = ["INDEX", "from_pandas", "from_polars", "refuse_aside", "to_pandas", "to_polars"]

#: Name of the column that represents the index.
INDEX = "__mmlrs_index__"

#: Metadata key of the number of a column of objects that were converted: images or vectors.
_CONVERTED = b"mmlrs.converted"

_PLACE = "place"
_ROW = "row "
_UNSUPPORTED = "values that Arrow cannot hold: "


def from_pandas(frame: Any, *, index: bool = False) -> pa.Table:
    """Return a DataFrame as a table. With `index`, add the row numbers."""
    names = [str(label) for label in frame.columns]
    plain = frame.copy(deep=False)
    plain.columns = range(len(names))  # columns by number, because labels may be any objects and not unique
    objects: dict[int, pa.Array] = {}
    for i, kind in enumerate(plain.dtypes):
        if _is_sparse(kind):
            plain[i] = plain[i].sparse.to_dense()
        elif kind == object and (cells := _read_objects(plain, i)) is not None:  # noqa: E721 - a dtype equals its type
            plain.isetitem(i, None)
            objects[i] = cells
    columns, notes = _converted(plain)
    columns = [
        objects[i]
        if i in objects
        else _placeholder(plain, i, str(plain[i].dtype))
        if _is_odd(column.type)
        else with_nan(plain[i], column)
        for i, column in enumerate(columns)
    ]
    fields = [_field(name, c, i if i in objects else None) for i, (name, c) in enumerate(zip(names, columns))]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=_renamed_notes(notes, names)))
    return _with_index(table) if index else table


def from_polars(frame: Any, *, index: bool = False) -> pa.Table:
    """Return a polars DataFrame as a table. Columns of objects are replaced, because Arrow would get their addresses."""
    objects = [i for i, kind in enumerate(frame.dtypes) if str(kind) == "Object"]
    plain = frame.drop([frame.columns[i] for i in objects])
    if not objects:
        return pa.RecordBatchReader.from_stream(plain).read_all()
    columns = dict(zip(plain.columns, plain.to_arrow().columns, strict=True))
    converted = set()
    for i in objects:
        cells = frame.to_series(i).to_list()
        readable = _readable(cells)
        if readable is not None:
            converted.add(i)
        columns[frame.columns[i]] = _placeholder(frame, i, _kinds(cells)) if readable is None else readable
    numbered = enumerate(frame.columns)
    fields = [_field(name, columns[name], i if i in converted else None) for i, name in numbered]
    table = pa.Table.from_arrays([columns[name] for name in frame.columns], schema=pa.schema(fields))
    return _with_index(table) if index and converted else table


def _read_objects(frame: Any, i: int) -> pa.Array | None:
    """Return a column of images, of vectors, or of objects that Arrow would misread. Return None for any other column.

    Strings, numbers and dates are recognized without a list of the cells.
    """
    from pandas.api.types import infer_dtype

    if not infer_dtype(frame[i], skipna=True).startswith("mixed"):
        return None
    cells = list(frame[i])
    if any(issubclass(kind, UNORDERED) for kind in set(map(type, cells))):
        return _placeholder(frame, i, _kinds(cells))
    return _readable(cells)


def _readable(cells: list[Any]) -> pa.Array | None:
    """Return images as encoded files, and vectors of pyspark as structs. Return None for other objects."""
    if not has_pictures(cells):
        return vector_cells(cells)
    try:
        return file_cells(cells)
    except SchemaMismatchError:
        return None


def _field(name: str, column: Any, converted: int | None) -> pa.Field:
    """Return the field of a column. `converted` is its number if it held images or vectors as objects."""
    return pa.field(name, column.type, metadata=None if converted is None else {_CONVERTED: str(converted)})


def _with_index(table: pa.Table) -> pa.Table:
    return table.append_column(INDEX, _places(np.arange(len(table), dtype=np.int64), "the index"))


def to_polars(table: pa.Table, like: Any) -> Any:
    """Return a table as a polars DataFrame, with the objects of the original DataFrame."""
    import polars as pl

    table, rows = _without_index(table)
    frame: Any = pl.from_arrow(table)
    for field in table.schema:
        if _holds_places(field.type):
            cells = _cells(table[field.name], len(like), lambda row, column: like[row, column])
            frame = frame.with_columns(pl.Series(field.name, list(cells), dtype=pl.Object))
        elif (number := _original_of(field)) is not None and (
            original_rows := _original_rows(rows, table, like)
        ) is not None:
            objects = like.to_series(number).to_list()
            series = pl.Series(field.name, [objects[row] for row in original_rows], dtype=pl.Object)
            frame = frame.with_columns(series)
    return frame


def _without_index(table: pa.Table) -> tuple[pa.Table, Any]:
    """Return a table without its index column, and the original row numbers of its rows, or None if they are unknown."""
    if INDEX not in table.column_names:
        return table, None
    at = table.column_names.index(INDEX)
    places = table.column(at).combine_chunks()
    table = table.remove_column(at)
    # If it holds lists, the rows have been batched.
    rows = (
        np.array([], np.int64)
        if _description(places.type) is None
        else places.field(0).to_numpy(zero_copy_only=False)
    )
    return table, rows if len(rows) == len(table) else None


def _original_rows(rows: Any, table: pa.Table, like: Any) -> Any:
    """Return the row numbers in `like` of the rows of a table, or None if they are unknown."""
    if rows is None:
        return np.arange(len(like)) if len(table) == len(like) else None
    return rows


def _original_of(field: pa.Field) -> int | None:
    """Return the number of the original column whose objects a column holds in converted form, or None."""
    number = (field.metadata or {}).get(_CONVERTED)
    same = pa.types.is_binary(field.type) or is_vector_struct(field.type)
    return int(number) if number is not None and same else None


def _is_sparse(kind: Any) -> bool:
    return type(kind).__name__ == "SparseDtype"


def _is_default(index: Any) -> bool:
    return (
        type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None
    )


def _renamed_notes(notes: dict[bytes, bytes] | None, names: list[str]) -> dict[bytes, bytes] | None:
    """Return the type metadata of pandas with the names of the columns instead of their numbers."""
    if not notes or b"pandas" not in notes:
        return notes
    pandas_notes = json.loads(notes[b"pandas"])
    columns, times = [], Counter(names)
    for column in pandas_notes["columns"]:
        name = names[int(column["field_name"])]
        if times[name] == 1:
            columns.append({**column, "name": name, "field_name": name})
    pandas_notes = {**pandas_notes, "columns": columns, "index_columns": [], "column_indexes": []}
    return {**notes, b"pandas": json.dumps(pandas_notes).encode()}


def _converted(frame: Any) -> tuple[list[Any], dict[bytes, bytes] | None]:
    """Return the columns, with places for those that Arrow cannot hold, and the type metadata of pandas."""
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except _UNFIT:
        pass
    else:
        return list(table.columns), table.schema.metadata
    columns, good = [], []
    for i in frame.columns:
        try:
            columns.append(pa.Table.from_pandas(frame[[i]], preserve_index=False).column(0))
            good.append(i)
        except _UNFIT:
            kind = frame[i].dtype
            what = _kinds(list(frame[i])) if kind == object else str(kind)  # noqa: E721 - a dtype equals its type
            columns.append(_placeholder(frame, i, what))
    return columns, pa.Schema.from_pandas(frame[good], preserve_index=False).metadata


#: The errors of pyarrow for cells that it cannot convert.
_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)


def _kinds(cells: list[Any]) -> str:
    """Return the names of the types of cells, or for images why they cannot be encoded."""
    if has_pictures(cells):
        try:
            file_cells(cells)
        except SchemaMismatchError as error:
            return str(error)
    kinds = sorted({type(value).__name__ for value in cells if value is not None})
    return ", ".join(kinds[:4]) + (", ..." if len(kinds) > 4 else "")


def _is_odd(kind: pa.DataType) -> bool:
    """Return whether the categories of this type are not plain values, such as the intervals of `pandas.cut`."""
    if not pa.types.is_dictionary(kind):
        return False
    return pa.types.is_nested(kind.value_type) or isinstance(kind.value_type, pa.BaseExtensionType)


def _placeholder(frame: Any, i: int, what: str) -> pa.Array:
    """Return a column of places for the cells of a column that stays in the DataFrame."""
    return _places(np.arange(len(frame), dtype=np.int64) + i * len(frame), what)


def _places(places: Any, what: str) -> pa.Array:
    kind = pa.struct([pa.field(_PLACE, pa.int64()), pa.field(f"{_UNSUPPORTED}{what}", pa.bool_())])
    return pa.StructArray.from_arrays(
        [pa.array(places), pa.nulls(len(places), pa.bool_())], fields=list(kind)
    )


def _description(kind: pa.DataType) -> str | None:
    """Return the description of the cells behind a column of places, or None for any other column."""
    if pa.types.is_struct(kind) and kind.num_fields == 2 and kind.field(0).name == _PLACE:
        name: str = kind.field(1).name
        return name.removeprefix(_UNSUPPORTED) if name.startswith(_UNSUPPORTED) else None
    return None


def refuse_aside(stage: str, field: pa.Field) -> pa.Field:
    """Return the field of a column that a stage reads. Raise if its values stayed in the DataFrame."""
    what = _description(field.type)
    if what is None:
        return field
    if what.startswith(_ROW):
        raise SchemaMismatchError(f"{stage}: column `{field.name}`, {what}")
    raise SchemaMismatchError(
        f"{stage}: column `{field.name}`: holds {_UNSUPPORTED}{what}; convert it to one type first, such as strings: "
        f"data[{field.name!r}].astype(str)"
    )


def to_pandas(table: pa.Table, like: Any, before: pa.Table | None = None) -> Any:
    """Return a table as a pandas DataFrame, with the labels, the index and the objects of the original DataFrame.

    `before` is the original DataFrame as a table. Its columns that did not change are copied instead of converted.
    """
    import pandas as pd

    table, rows = _without_index(table)
    unchanged = {} if before is None else _unchanged(table, before, rows)
    vectors = {i for i, f in enumerate(table.schema) if is_vector_struct(f.type)} - unchanged.keys()
    objects_by_column = {
        i: _objects(table.column(i), like)
        for i, f in enumerate(table.schema)
        if _holds_places(f.type) and i not in unchanged
    }
    nested = _nested_of_arrow(table) - vectors - unchanged.keys() - objects_by_column.keys()
    frame = _without(table, vectors | nested | unchanged.keys()).to_pandas()
    for i in nested:
        frame.isetitem(i, pd.Series(pd.arrays.ArrowExtensionArray(table.column(i)), index=frame.index))
    for i in vectors:
        frame.isetitem(i, vector_dicts(table.column(i)))
    for i, objects in objects_by_column.items():
        frame.isetitem(i, objects)
    original_rows = _original_rows(rows, table, like)
    for i, field in enumerate(table.schema):
        if i in unchanged:
            column = like.iloc[:, unchanged[i]]
            column = column if rows is None else column.take(rows)
            frame.isetitem(i, column.set_axis(frame.index))
        elif _is_image(field.type) and table.column(i).null_count:
            # pyarrow would convert the sizes to floats, because the column has nulls.
            frame.isetitem(i, pd.Series(table.column(i).to_pylist(), index=frame.index, dtype=object))
        elif (number := _original_of(field)) is not None and original_rows is not None:
            frame.isetitem(i, like.iloc[:, number].array.take(original_rows))
    frame.columns = _labels(table.column_names, like.columns)
    if rows is not None and not _is_default(like.index):
        frame.index = like.index.take(rows)
    elif len(frame) == len(like):
        frame.index = like.index
    return frame


def _unchanged(table: pa.Table, before: pa.Table, rows: Any) -> dict[int, int]:
    """Return the columns that no stage changed, with their numbers in `before`. `rows` are their rows, or None for all."""
    places = {name: i for i, name in enumerate(before.column_names) if before.column_names.count(name) == 1}
    pairs = {i: places[name] for i, name in enumerate(table.column_names) if name in places}
    moved = None if rows is None or len(table) == len(before) else pa.array(rows)

    def is_same(column: pa.ChunkedArray, original: pa.ChunkedArray) -> bool:
        if column.type != original.type:
            return False
        if moved is None:
            return pieces(column) == pieces(original)
        try:
            return bool(column.equals(original.take(moved)))
        except pa.ArrowNotImplementedError:
            return False

    return {i: j for i, j in pairs.items() if is_same(table.column(i), before.column(j))}


def _without(table: pa.Table, columns: Collection[int]) -> pa.Table:
    """Return a table with nulls in the place of some columns, whose types its metadata do not name."""
    names = {table.schema.names[i] for i in columns}
    for i in columns:
        table = table.set_column(i, table.schema.names[i], pa.nulls(len(table)))
    notes = dict(table.schema.metadata or {})
    if names and b"pandas" in notes:
        known = json.loads(notes[b"pandas"])
        known["columns"] = [column for column in known["columns"] if column["name"] not in names]
        table = table.replace_schema_metadata({**notes, b"pandas": json.dumps(known).encode()})
    return table


def _nested_of_arrow(table: pa.Table) -> set[int]:
    """Return the columns of lists and structs that were of Arrow's types in pandas, which cannot read the names of these types."""
    notes = json.loads((table.schema.metadata or {}).get(b"pandas", b"{}"))
    names = {c["name"] for c in notes.get("columns", []) if str(c.get("numpy_type")).endswith("[pyarrow]")}
    return {
        i for i, field in enumerate(table.schema) if field.name in names and pa.types.is_nested(field.type)
    }


def _is_image(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {"nChannels", "data"} <= {member.name for member in kind}


def _holds_places(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds row numbers, or lists of them."""
    return _description(kind.value_type if pa.types.is_list(kind) else kind) is not None


def _objects(column: pa.ChunkedArray, like: Any) -> Any:
    """Return the cells at places, and lists of cells for lists of places."""
    if not pa.types.is_list(column.type) and len(column) and not column.null_count:
        numbers = column.combine_chunks().field(0).to_numpy(zero_copy_only=False)
        return like.iloc[:, int(numbers[0]) // len(like)].array.take(numbers % len(like))
    return _cells(column, len(like), lambda row, number: like.iat[row, number])


def _cells(column: pa.ChunkedArray, rows: int, at: Callable[[int, int], Any]) -> Any:
    """Return the results of `at` for places, and lists of results for lists of places."""

    def cell(place: dict[str, int] | None) -> Any:
        return None if place is None else at(place[_PLACE] % rows, place[_PLACE] // rows)

    places = column.to_pylist()
    cells = np.empty(len(places), object)
    for i, place in enumerate(places):
        cells[i] = [cell(p) for p in place] if isinstance(place, list) else cell(place)
    return cells


def _labels(names: list[str], old: Any) -> Any:
    """Return the original labels of columns, or the names of new columns."""
    import pandas as pd

    if all(isinstance(label, str) for label in old):
        return names
    labels = {str(label): label for label in old}
    if old.nlevels > 1:
        padding = ("",) * (old.nlevels - 1)
        return pd.MultiIndex.from_tuples([labels.get(n, (n, *padding)) for n in names], names=old.names)
    return pd.Index([labels.get(n, n) for n in names], name=old.name)
