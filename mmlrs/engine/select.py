"""Select rows of Arrow data by number, for columns of any type.

pyarrow cannot select rows of some types, such as the views that polars uses for strings and bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs import _native

__all__ = ["crossing", "filtered", "items", "pieces", "take_rows", "with_views", "without_views"]


def filtered(data: Any, mask: pa.Array | pa.ChunkedArray) -> Any:
    """Return the rows of an array, a batch or a table where the mask is true. A null in the mask drops the row."""
    if isinstance(data, pa.Table | pa.RecordBatch):
        if not mask.null_count and pc.all(mask).as_py() is not False:
            return data
        arrays = [filtered(column, mask) for column in data.columns]
        return type(data).from_arrays(arrays, schema=data.schema) if arrays else data.filter(mask)
    try:
        return data.filter(mask)
    except pa.ArrowNotImplementedError:
        rows = np.flatnonzero(pc.fill_null(mask, pa.scalar(value=False)))
        return _selected(data, pa.array(rows, pa.int64()))


def take_rows(data: Any, rows: pa.Array) -> Any:
    """Return the rows of an array, a batch or a table by number. A null number gives a null row."""
    if isinstance(data, pa.Table | pa.RecordBatch):
        arrays = [take_rows(column, rows) for column in data.columns]
        return type(data).from_arrays(arrays, schema=data.schema) if arrays else data.take(rows)
    try:
        return data.take(rows)
    except pa.ArrowNotImplementedError:
        return _selected(data, rows)


def _selected(data: pa.Array | pa.ChunkedArray, rows: pa.Array) -> pa.Array | pa.ChunkedArray:
    if isinstance(data, pa.StructArray):
        # Member by member, because a slice of a struct in a struct cannot cross to Rust.
        members = [take_rows(data.field(i), rows) for i in range(len(data.type))]
        absent = pc.fill_null(data.is_null().take(rows), pa.scalar(value=True))
        return pa.StructArray.from_arrays(members, fields=list(data.type), mask=absent)
    if isinstance(data, pa.Array):
        return _native.take(_unsliced(data), rows)
    if data.num_chunks == 1:
        combined = data.chunk(0)
    else:
        combined = pa.concat_arrays(data.chunks) if data.num_chunks else pa.array([], data.type)
    return pa.chunked_array([_selected(combined, rows)], type=data.type)


def _unsliced(array: pa.Array) -> pa.Array:
    """Return an array with nested structs as a copy that is not a slice, because such a slice cannot cross to Rust."""
    if "struct" not in str(array.type):
        return array
    batch = pa.record_batch([array], names=["values"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_next_batch().column(0)


def crossing(array: pa.Array) -> pa.Array:
    """Return an array in a form that Rust can import. A slice of a struct in a struct cannot cross as it is."""
    if not isinstance(array, pa.StructArray) or not any(pa.types.is_struct(m.type) for m in array.type):
        return array
    members = [crossing(array.field(i)) for i in range(array.type.num_fields)]
    return pa.StructArray.from_arrays(members, fields=list(array.type), mask=array.is_null())


def without_views(table: pa.Table) -> pa.Table:
    """Return a table with views of strings and bytes replaced by contiguous types."""
    for i, field in enumerate(table.schema):
        kind = _plain_type(field.type)
        if kind != field.type:
            column = table.column(i)
            chunks = [_without_views(chunk, kind) for chunk in column.chunks]
            table = table.set_column(i, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with views of strings and bytes replaced by contiguous types, at any depth."""
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
    """Return an array as `kind`, its type without views. pyarrow's casts of lists of views damage their values."""
    if array.type == kind:
        return array
    if pa.types.is_dictionary(kind):
        values = _without_views(array.dictionary, kind.value_type)
        return pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered)
    if pa.types.is_struct(kind):
        members = [_without_views(array.field(i), member.type) for i, member in enumerate(kind)]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=array.is_null())
    if pa.types.is_fixed_size_list(kind):
        inner = array.values.slice(array.offset * kind.list_size, len(array) * kind.list_size)
        return pa.FixedSizeListArray.from_arrays(
            _without_views(inner, kind.value_type), type=kind, mask=array.is_null()
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        width = pa.int32() if pa.types.is_list(kind) else pa.int64()
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), width)
        make = pa.ListArray if pa.types.is_list(kind) else pa.LargeListArray
        inner = _without_views(items(array), kind.value_type)
        return make.from_arrays(offsets, inner, type=kind, mask=array.is_null())
    return array.cast(kind)


def items(array: pa.Array) -> pa.Array:
    """Return the concatenated items of an array of lists. Null rows have no items, whatever their offsets are."""
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        starts = (array.offset + np.arange(len(array))) * size
        sizes = np.full(len(array), size)
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        offsets = array.offsets.to_numpy(zero_copy_only=False)
        if not array.null_count:
            return array.values.slice(offsets[0], offsets[-1] - offsets[0])
        starts, sizes = offsets[:-1], np.diff(offsets)
    else:
        starts, sizes = (a.to_numpy(zero_copy_only=False) for a in (array.offsets, array.sizes))
    sizes = np.where(array.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
    ends = np.cumsum(sizes)
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - sizes), sizes)
    return take_rows(array.values, pa.array(places, pa.int64()))


def with_views(result: pa.Table, plain: pa.Table, before: pa.Table) -> pa.Table:
    """Return the result of a stage, in which columns that the stage did not change have their types from `before`.

    `plain` is the table that the stage read, without views.
    """
    pairs = [(b, p) for b, p in zip(before.columns, plain.columns) if b.type != p.type]
    if not pairs:
        return result
    originals = {pieces(p): b for b, p in pairs}
    changed = {
        name: column for name, column in zip(before.column_names, before.columns) if _is_view(column.type)
    }
    for i, field in enumerate(result.schema):
        column = result.column(i)
        original = changed.get(field.name)
        if (same_memory := originals.get(pieces(column))) is not None and _plain_type(
            same_memory.type
        ) == field.type:
            result = result.set_column(i, field.with_type(same_memory.type), same_memory)
        elif original is not None and _plain_type(original.type) == field.type:
            result = result.set_column(i, field.with_type(original.type), column.cast(original.type))
    return result


def _is_view(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind) or pa.types.is_binary_view(kind)


def pieces(column: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return the memory of a column. Columns of one type with the same memory are equal, including NaN.

    The memory of dictionaries is not included.
    """
    ranges: list[tuple[Any, int, int]] = []
    for chunk in column.chunks:
        addresses = tuple(0 if buffer is None else buffer.address for buffer in chunk.buffers())
        if ranges and ranges[-1][0] == addresses and ranges[-1][1] + ranges[-1][2] == chunk.offset:
            ranges[-1] = (addresses, ranges[-1][1], ranges[-1][2] + len(chunk))
        elif len(chunk):
            ranges.append((addresses, chunk.offset, len(chunk)))
    return tuple(ranges)
