"""pandas DataFrames as tables and back: names of any kind, cells that Arrow cannot hold, and the index.

A table's names are strings, and its columns have one type each. A DataFrame's labels may be anything, and a column of
objects may hold a set beside a number. What Arrow cannot hold stays with pandas: in the table a column of places stands for
it, which a stage passes on as it does any other column, and on the way back each place becomes its object again. The type of
such a column names what it holds, so a stage that reads it refuses it with the cause. Pictures as objects are encoded, and come
back as the objects that they were.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.engine.cells import file_cells, has_pictures
from mmlrs.engine.missing import with_nan
from mmlrs.errors import SchemaMismatchError

__all__ = ["INDEX", "from_pandas", "from_polars", "refuse_aside", "to_pandas", "to_polars"]

#: The column that stands for the index.
INDEX = "__mmlrs_index__"

#: Key of the number that a column had whose pictures were encoded.
_PICTURES = b"mmlrs.pictures"

_PLACE = "place"
_ROW = "row "
_ASIDE = "values that Arrow cannot hold: "


def from_pandas(frame: Any, *, index: bool = False) -> pa.Table:
    """Return a DataFrame as a table; `index` keeps the places of its rows where they are needed on the way back."""
    names = [str(label) for label in frame.columns]
    plain = frame.copy(deep=False)
    plain.columns = range(len(names))  # from here on by number: labels may be anything, and the same twice
    pictures = set()
    for i, kind in enumerate(plain.dtypes):
        if _is_sparse(kind):
            plain[i] = plain[i].sparse.to_dense()
        elif kind == object and (files := _files(list(plain[i]))) is not None:  # noqa: E721 - a dtype equals its type
            plain.isetitem(i, files.to_pylist())
            pictures.add(i)
    columns, notes = _converted(plain)
    columns = [
        _aside(plain, i, str(plain[i].dtype)) if _is_odd(column.type) else with_nan(plain[i], column)
        for i, column in enumerate(columns)
    ]
    fields = [
        _field(name, c, i if i in pictures else None) for i, (name, c) in enumerate(zip(names, columns))
    ]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=_renamed_notes(notes, names)))
    return _with_index(table) if index and (pictures or not _is_default(frame.index)) else table


def from_polars(frame: Any, *, index: bool = False) -> pa.Table:
    """Return a polars DataFrame as a table; of its objects Arrow would get the addresses."""
    objects = [i for i, kind in enumerate(frame.dtypes) if str(kind) == "Object"]
    plain = frame.drop([frame.columns[i] for i in objects])
    if not objects:
        return pa.RecordBatchReader.from_stream(plain).read_all()
    held = dict(zip(plain.columns, plain.to_arrow().columns, strict=True))
    pictures = set()
    for i in objects:
        cells = frame.to_series(i).to_list()
        files = _files(cells)
        if files is not None:
            pictures.add(i)
        held[frame.columns[i]] = _aside(frame, i, _kinds(cells)) if files is None else files
    numbered = enumerate(frame.columns)
    fields = [_field(name, held[name], i if i in pictures else None) for i, name in numbered]
    table = pa.Table.from_arrays([held[name] for name in frame.columns], schema=pa.schema(fields))
    return _with_index(table) if index and pictures else table


def _files(cells: list[Any]) -> pa.Array | None:
    """Return pictures as encoded files; None for cells that are none, or none that can be encoded."""
    if not has_pictures(cells):
        return None
    try:
        return file_cells(cells)
    except SchemaMismatchError:
        return None


def _field(name: str, column: Any, pictures: int | None) -> pa.Field:
    """Return the field of a column; `pictures` is its number where it held pictures as objects."""
    return pa.field(name, column.type, metadata=None if pictures is None else {_PICTURES: str(pictures)})


def _with_index(table: pa.Table) -> pa.Table:
    return table.append_column(INDEX, _places(np.arange(len(table), dtype=np.int64), "the index"))


def to_polars(table: pa.Table, like: Any) -> Any:
    """Return a table as a polars DataFrame, with the objects of the one that it came of."""
    import polars as pl

    table, rows = _without_index(table)
    frame: Any = pl.from_arrow(table)
    for field in table.schema:
        if _stands_for(field.type):
            cells = _cells(table[field.name], len(like), lambda row, column: like[row, column])
            frame = frame.with_columns(pl.Series(field.name, list(cells), dtype=pl.Object))
        elif (number := _pictures_of(field)) is not None and (known := _known(rows, table, like)) is not None:
            objects = like.to_series(number).to_list()
            series = pl.Series(field.name, [objects[row] for row in known], dtype=pl.Object)
            frame = frame.with_columns(series)
    return frame


def _without_index(table: pa.Table) -> tuple[pa.Table, Any]:
    """Return a table without its column of places, and the rows that they stand for; None where there are none."""
    if INDEX not in table.column_names:
        return table, None
    at = table.column_names.index(INDEX)
    places = table.column(at).combine_chunks()
    table = table.remove_column(at)
    # In lists, the rows have become others.
    rows = (
        np.array([], np.int64)
        if _what(places.type) is None
        else places.field(0).to_numpy(zero_copy_only=False)
    )
    return table, rows if len(rows) == len(table) else None


def _known(rows: Any, table: pa.Table, like: Any) -> Any:
    """Return the rows of `like` that those of a table are; None where that is not known."""
    if rows is None:
        return np.arange(len(like)) if len(table) == len(like) else None
    return rows


def _pictures_of(field: pa.Field) -> int | None:
    """Return the number of the column whose pictures a column holds as files."""
    number = (field.metadata or {}).get(_PICTURES)
    return int(number) if number is not None and pa.types.is_binary(field.type) else None


def _is_sparse(kind: Any) -> bool:
    return type(kind).__name__ == "SparseDtype"


def _is_default(index: Any) -> bool:
    return (
        type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None
    )


def _renamed_notes(notes: dict[bytes, bytes] | None, names: list[str]) -> dict[bytes, bytes] | None:
    """Return what pandas notes of its types, by the names of the columns rather than by their numbers."""
    if not notes or b"pandas" not in notes:
        return notes
    told = json.loads(notes[b"pandas"])
    columns, times = [], Counter(names)
    for column in told["columns"]:
        name = names[int(column["field_name"])]
        if times[name] == 1:
            columns.append({**column, "name": name, "field_name": name})
    told = {**told, "columns": columns, "index_columns": [], "column_indexes": []}
    return {**notes, b"pandas": json.dumps(told).encode()}


def _converted(frame: Any) -> tuple[list[Any], dict[bytes, bytes] | None]:
    """Return the columns, with places for what Arrow cannot hold, and what pandas notes of their types."""
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
            columns.append(_aside(frame, i, what))
    return columns, pa.Schema.from_pandas(frame[good], preserve_index=False).metadata


#: What pyarrow raises for cells that it cannot convert.
_UNFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)


def _kinds(cells: list[Any]) -> str:
    """Return the names of the types of cells; of pictures, why they cannot be encoded."""
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


def _aside(frame: Any, i: int, what: str) -> pa.Array:
    """Return the places of the cells of a column, which stay where they are."""
    return _places(np.arange(len(frame), dtype=np.int64) + i * len(frame), what)


def _places(places: Any, what: str) -> pa.Array:
    kind = pa.struct([pa.field(_PLACE, pa.int64()), pa.field(f"{_ASIDE}{what}", pa.bool_())])
    return pa.StructArray.from_arrays(
        [pa.array(places), pa.nulls(len(places), pa.bool_())], fields=list(kind)
    )


def _what(kind: pa.DataType) -> str | None:
    """Return what the places of a column of this type stand for, or None for a column of values."""
    if pa.types.is_struct(kind) and kind.num_fields == 2 and kind.field(0).name == _PLACE:
        name: str = kind.field(1).name
        return name.removeprefix(_ASIDE) if name.startswith(_ASIDE) else None
    return None


def refuse_aside(stage: str, field: pa.Field) -> pa.Field:
    """Return the field of a column that a stage reads; fails where the column's values stayed with pandas."""
    what = _what(field.type)
    if what is None:
        return field
    if what.startswith(_ROW):
        raise SchemaMismatchError(f"{stage}: column `{field.name}`, {what}")
    raise SchemaMismatchError(
        f"{stage}: column `{field.name}`: holds {_ASIDE}{what}; convert it to one type first, text for instance: "
        f"data[{field.name!r}].astype(str)"
    )


def to_pandas(table: pa.Table, like: Any) -> Any:
    """Return a table as a DataFrame: with the labels, the index and the objects of the DataFrame that it came of."""
    import pandas as pd

    table, rows = _without_index(table)
    aside = {i: _objects(table.column(i), like) for i, f in enumerate(table.schema) if _stands_for(f.type)}
    frame = table.to_pandas()
    for i, objects in aside.items():
        frame.isetitem(i, objects)
    known = _known(rows, table, like)
    for i, field in enumerate(table.schema):
        if _is_image(field.type) and table.column(i).null_count:
            # pyarrow would make floats of the sizes, as of all numbers beside a null.
            frame.isetitem(i, pd.Series(table.column(i).to_pylist(), index=frame.index, dtype=object))
        if (number := _pictures_of(field)) is not None and known is not None:
            frame.isetitem(i, like.iloc[:, number].array.take(known))
    frame.columns = _labels(table.column_names, like.columns)
    if rows is not None and not _is_default(like.index):
        frame.index = like.index.take(rows)
    elif len(frame) == len(like):
        frame.index = like.index
    return frame


def _is_image(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and {"nChannels", "data"} <= {member.name for member in kind}


def _stands_for(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds row numbers, or lists of them."""
    return _what(kind.value_type if pa.types.is_list(kind) else kind) is not None


def _objects(column: pa.ChunkedArray, like: Any) -> Any:
    """Return the cells that places stand for; lists of places as lists of cells."""
    if not pa.types.is_list(column.type) and len(column) and not column.null_count:
        numbers = column.combine_chunks().field(0).to_numpy(zero_copy_only=False)
        return like.iloc[:, int(numbers[0]) // len(like)].array.take(numbers % len(like))
    return _cells(column, len(like), lambda row, number: like.iat[row, number])


def _cells(column: pa.ChunkedArray, rows: int, at: Callable[[int, int], Any]) -> Any:
    """Return what `at` finds at places; the lists of places as lists."""

    def cell(place: dict[str, int] | None) -> Any:
        return None if place is None else at(place[_PLACE] % rows, place[_PLACE] // rows)

    places = column.to_pylist()
    cells = np.empty(len(places), object)
    for i, place in enumerate(places):
        cells[i] = [cell(p) for p in place] if isinstance(place, list) else cell(place)
    return cells


def _labels(names: list[str], old: Any) -> Any:
    """Return labels for columns: those that they had, and for new ones their names."""
    import pandas as pd

    if all(isinstance(label, str) for label in old):
        return names
    known = {str(label): label for label in old}
    if old.nlevels > 1:
        rest = ("",) * (old.nlevels - 1)
        return pd.MultiIndex.from_tuples([known.get(n, (n, *rest)) for n in names], names=old.names)
    return pd.Index([known.get(n, n) for n in names], name=old.name)
