"""Dictionary-encoded columns: categories of pandas, Categorical and Enum of polars, dictionaries of Arrow.

Stages read them as columns of their values. If the type orders the values, as categories of pandas, an Enum and an ordered
dictionary do, the order is added to the metadata of the field, for stages that learn levels. Columns that no stage changes get
their type back.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.batches import is_list
from mmlrs.engine.select import items, pieces, take_rows

__all__ = ["LEVELS", "ORIGIN", "decoded", "restored"]

#: Metadata key of the levels that a type declares, an ordered JSON list: `LEVELS_KEY` in `rust/core/src/types.rs`.
LEVELS = "mmlrs.levels"
#: Metadata key of the original name of an encoded column. It stays until a stage changes the values.
ORIGIN = "mmlrs.encoded"
#: Maximum number of declared levels. Beyond it, the order is that of the values, because every batch would carry the levels.
_MAX_DECLARED = 10_000


def decoded(table: pa.Table) -> pa.Table:
    """Return a table with its encoded columns replaced by their values."""
    categories = None
    for i, field in enumerate(table.schema):
        plain = _plain(field.type)
        if plain == field.type:
            continue
        if categories is None:
            categories = _categories_of_pandas(table.schema)
        if field.name in categories and _is_empty(table.column(i)):
            # The type of no categories means nothing: pandas uses float64 for a column of NaN.
            plain = pa.null()
        column = table.column(i)
        facts = {ORIGIN: field.name}
        if pa.types.is_dictionary(field.type) and (field.name in categories or field.type.ordered):
            levels = _levels(column)
            if levels is not None:
                facts[LEVELS] = json.dumps(levels)
        metadata = {**(field.metadata or {}), **{k.encode(): v.encode() for k, v in facts.items()}}
        values = pa.chunked_array([_values(chunk, plain) for chunk in column.chunks], plain)
        table = table.set_column(i, field.with_type(plain).with_metadata(metadata), values)
    return table


def restored(table: pa.Table, before: pa.Table, plain: pa.Table) -> pa.Table:
    """Return a table in which columns that no stage changed have their encoded types again.

    `before` is the table with the encoded types, and `plain` is the decoded table that the stage read.
    """
    encoded_names = {f.name for f, was in zip(plain.schema, before.schema) if f.type != was.type}
    for i, field in enumerate(table.schema):
        metadata = dict(field.metadata or {})
        origin = metadata.pop(ORIGIN.encode(), None)
        if origin is None or origin.decode() not in encoded_names:
            continue  # an outer stage decoded it and encodes it again
        metadata.pop(LEVELS.encode(), None)
        column = table.column(i)
        if before.column_names.count(origin.decode()) == 1:
            column = _encoded(column, before.column(origin.decode()), plain.column(origin.decode()))
        restored_field = pa.field(field.name, column.type, field.nullable, metadata=metadata or None)
        table = table.set_column(i, restored_field, column)
    return table


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type with all dictionary types replaced by their value types."""
    if pa.types.is_dictionary(kind):
        if not _is_flat(kind.value_type):
            return kind  # no stage reads such columns
        return pa.large_string() if kind.value_type == pa.string_view() else kind.value_type
    if is_list(kind):
        item = _plain(kind.value_type)
        return kind if item == kind.value_type else pa.large_list(item)
    if pa.types.is_struct(kind):
        members = [member.with_type(_plain(member.type)) for member in kind]
        return kind if members == list(kind) else pa.struct(members)
    return kind


def _is_flat(kind: pa.DataType) -> bool:
    """Return whether values of a type have no structure."""
    structured = (pa.types.is_nested, pa.types.is_dictionary, pa.types.is_run_end_encoded)
    views = (pa.types.is_list_view, pa.types.is_large_list_view)
    return not isinstance(kind, pa.BaseExtensionType) and not any(
        check(kind) for check in (*structured, *views)
    )


def _values(array: pa.Array, plain: pa.DataType) -> pa.Array:
    """Return an array with dictionaries replaced by their values, as the type `plain`."""
    if array.type == plain:
        return array
    if pa.types.is_null(plain):
        return pa.nulls(len(array))
    if pa.types.is_dictionary(array.type):
        return take_rows(array.dictionary.cast(plain), array.indices)
    if pa.types.is_struct(array.type):
        members = [_values(array.field(i), member.type) for i, member in enumerate(plain)]
        return pa.StructArray.from_arrays(members, fields=list(plain), mask=array.is_null())
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    inner = _values(items(array), plain.value_type)
    return pa.LargeListArray.from_arrays(offsets, inner, type=plain, mask=array.is_null())


def _is_empty(column: pa.ChunkedArray) -> bool:
    """Return whether this is a dictionary type whose values are all null."""
    return pa.types.is_dictionary(column.type) and not any(len(chunk.dictionary) for chunk in column.chunks)


def _categories_of_pandas(schema: pa.Schema) -> set[str]:
    """Return the names of categorical columns of pandas, whose categories always have an order."""
    columns = (schema.pandas_metadata or {}).get("columns", ())
    return {column["name"] for column in columns if column["pandas_type"] == "categorical"}


def _levels(column: pa.ChunkedArray) -> list[Any] | None:
    """Return the levels of an encoded column as JSON values, or None if there are none or too many."""
    if not column.num_chunks:
        return None
    try:
        values = column.unify_dictionaries().chunk(0).dictionary
        kind = values.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            values = values.cast(pa.string())
    except pa.ArrowException:
        return None  # invalid UTF-8, and types whose levels no stage learns
    if len(values) > _MAX_DECLARED:
        return None
    return [_finite(value) for value in values.to_pylist() if value is not None]


def _finite(value: Any) -> Any:
    """Return a value for JSON, which has strings for infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", "Infinity")
    return value


def _encoded(column: pa.ChunkedArray, before: pa.ChunkedArray, plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its former dictionary type, or unchanged if its values are different."""
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), before.type)])
    if column.type != plain.type or not before.num_chunks:
        return column
    if pieces(column) == pieces(plain) or column.equals(plain):
        return before
    if not pa.types.is_dictionary(before.type):
        return column
    try:
        values = before.unify_dictionaries().chunk(0).dictionary
        indices = pc.index_in(column, value_set=values.cast(plain.type), skip_nulls=True)
        codes = indices.cast(before.type.index_type)
    except pa.ArrowException:
        return column  # pyarrow cannot look up the type
    if codes.null_count != column.null_count:
        return column
    chunks = [pa.DictionaryArray.from_arrays(p, values, ordered=before.type.ordered) for p in codes.chunks]
    return pa.chunked_array(chunks, before.type)
