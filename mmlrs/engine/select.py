"""Rows of Arrow data by their numbers, whatever the type of a column.

pyarrow has no way to select from columns of some types, among them the views that polars uses for text and bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs import _native

__all__ = ["filtered", "taken", "without_views"]


def filtered(data: Any, mask: pa.Array | pa.ChunkedArray) -> Any:
    """Return the rows of an array, a batch or a table where the mask is true; a null mask drops the row."""
    if isinstance(data, pa.Table | pa.RecordBatch):
        arrays = [filtered(column, mask) for column in data.columns]
        return type(data).from_arrays(arrays, schema=data.schema) if arrays else data.filter(mask)
    try:
        return data.filter(mask)
    except pa.ArrowNotImplementedError:
        rows = np.flatnonzero(pc.fill_null(mask, pa.scalar(value=False)))
        return _selected(data, pa.array(rows, pa.int64()))


def taken(data: Any, rows: pa.Array) -> Any:
    """Return the rows of those numbers of an array, a batch or a table; null where the number is."""
    if isinstance(data, pa.Table | pa.RecordBatch):
        arrays = [taken(column, rows) for column in data.columns]
        return type(data).from_arrays(arrays, schema=data.schema) if arrays else data.take(rows)
    try:
        return data.take(rows)
    except pa.ArrowNotImplementedError:
        return _selected(data, rows)


def _selected(data: pa.Array | pa.ChunkedArray, rows: pa.Array) -> pa.Array | pa.ChunkedArray:
    if isinstance(data, pa.Array):
        return _native.take(data, rows)
    whole = pa.concat_arrays(data.chunks) if data.num_chunks else pa.array([], data.type)
    return pa.chunked_array([_native.take(whole, rows)], type=data.type)


def without_views(table: pa.Table) -> pa.Table:
    """Return a table for those who know no views: text and bytes lie in one piece."""
    for i, field in enumerate(table.schema):
        kind = _plain_type(field.type)
        if kind != field.type:
            column = table.column(i)
            chunks = [_without_views(chunk, kind) for chunk in column.chunks]
            table = table.set_column(i, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with text and bytes in one piece, in whatever depth."""
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _plain_type(kind.value_type), kind.ordered)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    for check, make in (
        (pa.types.is_list, pa.list_),
        (pa.types.is_large_list, pa.large_list),
        (pa.types.is_list_view, pa.list_),
        (pa.types.is_large_list_view, pa.large_list),
    ):
        if check(kind):
            return make(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)), kind.list_size)
    return kind


def _without_views(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        values = _without_views(array.dictionary, kind.value_type)
        return pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered)
    return array.cast(kind)
