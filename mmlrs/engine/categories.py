"""Columns that are encoded by dictionaries: pandas categories, Categorical and Enum of polars, dictionaries of Arrow.

For stages they are columns of the values that they encode. Where their type gives the values an order, as categories of
pandas, an Enum and an ordered dictionary do, the order goes along in the metadata of the field, for stages that learn
levels. What no stage has changed gets its type back.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.batches import is_list
from mmlrs.engine.select import items, pieces, taken

__all__ = ["LEVELS", "ORIGIN", "decoded", "restored"]

#: Key of the levels that a type declares, a JSON list in their order: `LEVELS_KEY` in `rust/core/src/types.rs`.
LEVELS = "mmlrs.levels"
#: Key of the name under which a column was encoded; it stays as long as no stage changes the values.
ORIGIN = "mmlrs.encoded"
#: Of a type with more levels the order is that of the values: every batch would carry the levels along.
_MOST_DECLARED = 10_000


def decoded(table: pa.Table) -> pa.Table:
    """Return a table with the values of its encoded columns in their place."""
    categories = None
    for i, field in enumerate(table.schema):
        plain = _plain(field.type)
        if plain == field.type:
            continue
        if categories is None:
            categories = _categories_of_pandas(table.schema)
        if field.name in categories and _is_empty(table.column(i)):
            # The type of no category says nothing: pandas takes float64 where a column holds nothing but NaN.
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
    """Return a table with the types back that columns had before they were decoded, as far as no stage has changed them.

    `plain` is the decoded table that the stage read.
    """
    here = {f.name for f, was in zip(plain.schema, before.schema) if f.type != was.type}
    for i, field in enumerate(table.schema):
        metadata = dict(field.metadata or {})
        origin = metadata.pop(ORIGIN.encode(), None)
        if origin is None or origin.decode() not in here:
            continue  # what the stage around this one has decoded it encodes itself
        metadata.pop(LEVELS.encode(), None)
        column = table.column(i)
        if before.column_names.count(origin.decode()) == 1:
            column = _encoded(column, before.column(origin.decode()), plain.column(origin.decode()))
        made = pa.field(field.name, column.type, field.nullable, metadata=metadata or None)
        table = table.set_column(i, made, column)
    return table


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values where a type is, or holds, a dictionary; otherwise the type itself."""
    if pa.types.is_dictionary(kind):
        if not _is_flat(kind.value_type):
            return kind  # no stage reads those
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
    """Return an array with the values of dictionaries in their place; `plain` is the type that it has then."""
    if array.type == plain:
        return array
    if pa.types.is_null(plain):
        return pa.nulls(len(array))
    if pa.types.is_dictionary(array.type):
        return taken(array.dictionary.cast(plain), array.indices)
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
    """Return the columns that were categories of pandas, which always have an order."""
    columns = (schema.pandas_metadata or {}).get("columns", ())
    return {column["name"] for column in columns if column["pandas_type"] == "categorical"}


def _levels(column: pa.ChunkedArray) -> list[Any] | None:
    """Return the levels of an encoded column as values of JSON; None where there are too many, or none."""
    if not column.num_chunks:
        return None
    try:
        values = column.unify_dictionaries().chunk(0).dictionary
        kind = values.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            values = values.cast(pa.string())
    except pa.ArrowException:
        return None  # bytes that are no text, and types of which no stage learns levels
    if len(values) > _MOST_DECLARED:
        return None
    return [_finite(value) for value in values.to_pylist() if value is not None]


def _finite(value: Any) -> Any:
    """Return a value as JSON knows it: infinities are texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value).replace("inf", "Infinity")
    return value


def _encoded(column: pa.ChunkedArray, before: pa.ChunkedArray, plain: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as the dictionary that it was; as it is where it has other values now."""
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
        found = pc.index_in(column, value_set=values.cast(plain.type), skip_nulls=True)
        places = found.cast(before.type.index_type)
    except pa.ArrowException:
        return column  # a type that pyarrow cannot look up
    if places.null_count != column.null_count:
        return column
    chunks = [pa.DictionaryArray.from_arrays(p, values, ordered=before.type.ordered) for p in places.chunks]
    return pa.chunked_array(chunks, before.type)
