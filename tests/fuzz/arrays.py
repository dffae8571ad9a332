"""Arrow arrays of any type, with nulls, views, runs, dictionaries, unions and offsets."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa

FLAT = [
    pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(), pa.decimal32(5, 2), pa.decimal64(12, 3), pa.decimal128(38, 10),
    pa.decimal256(60, 5), pa.decimal128(5, -2), pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"),
    pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ms", "UTC"), pa.timestamp("us", "Europe/Paris"),
    pa.timestamp("ns", "+05:30"), pa.duration("s"), pa.duration("ns"), pa.month_day_nano_interval(), pa.string(),
    pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4),
]  # fmt: skip
_TEXTS = ["a", "", "ünïcode 𝒳", "a longer text than a view holds", "1.5", "2020-01-01", "NaN", "true"]


def array(rng: random.Random, rows: int, depth: int = 2) -> pa.Array:
    """An array of a random type; now and then a slice of a longer one."""
    before, after = (rng.choice([0, 0, 1, 9]) for _ in range(2))
    whole = _array(rng, rows + before + after, depth)
    return whole.slice(before, rows)


def _array(rng: random.Random, rows: int, depth: int) -> pa.Array:
    if depth == 0 or rng.random() < 0.4:
        return flat(rng, rng.choice(FLAT), rows)
    return rng.choice([_list, _struct, _dictionary, _runs, _union, _map, _view, _fixed, _extension])(
        rng, rows, depth - 1
    )


def flat(rng: random.Random, kind: pa.DataType, rows: int) -> pa.Array:
    """An array of a type without members; a third of the values are null."""
    mask = np.array([rng.random() < 0.3 for _ in range(rows)], bool)
    if pa.types.is_null(kind):
        return pa.nulls(rows)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _masked([rng.choice(_TEXTS) for _ in range(rows)], kind, mask)
    if pa.types.is_fixed_size_binary(kind):
        return _masked([rng.randbytes(kind.byte_width) for _ in range(rows)], kind, mask)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return _masked([rng.choice(_TEXTS).encode() for _ in range(rows)], kind, mask)
    if pa.types.is_boolean(kind):
        return _masked([rng.random() < 0.5 for _ in range(rows)], kind, mask)
    if pa.types.is_decimal(kind):
        return _masked([None if m else rng.randrange(-999, 999) for m in mask], kind, mask, scaled=True)
    if pa.types.is_floating(kind):
        return _masked(
            [rng.choice([0.0, -0.0, 1.5, 2.0, float("nan"), float("inf"), -3.25]) for _ in mask], kind, mask
        )
    if pa.types.is_integer(kind):
        low, high = (0, 2**kind.bit_width - 1) if pa.types.is_unsigned_integer(kind) else (
            -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1
        )  # fmt: skip
        return _masked([rng.choice([0, 1, 2, low, high]) for _ in mask], kind, mask)
    if pa.types.is_interval(kind):
        return pa.array([None if m else (1, 2, 3) for m in mask], kind)
    width = 4 if pa.types.is_date32(kind) or pa.types.is_time32(kind) else 8
    limit = 86_399 if pa.types.is_time(kind) else 2**31 - 1
    odd = [] if pa.types.is_time(kind) or pa.types.is_date64(kind) else [-1, -(2**31)]
    if width == 8 and not pa.types.is_time(kind) and not pa.types.is_date64(kind):
        odd += [2**63 - 1, -(2**63), 253_402_300_800_000_000]
    day = 86_400_000 if pa.types.is_date64(kind) else 1
    numbers = [rng.choice([0, 1, limit, *odd]) * day for _ in mask]
    integers = pa.array(numbers, pa.int32() if width == 4 else pa.int64(), mask=mask)
    return integers.view(kind)


def _masked(values: list[Any], kind: pa.DataType, mask: Any, *, scaled: bool = False) -> pa.Array:
    if scaled:
        from decimal import Decimal

        values = [
            None if v is None else Decimal(v).scaleb(-max(kind.scale, 0)).scaleb(max(-kind.scale, 0))
            for v in values
        ]
        return pa.array(values, kind)
    return pa.array([None if m else v for v, m in zip(values, mask)], kind)


def _offsets(rng: random.Random, rows: int) -> list[int]:
    ends, at = [0], 0
    for _ in range(rows):
        at += rng.choice([0, 1, 2, 5])
        ends.append(at)
    return ends


def _list(rng: random.Random, rows: int, depth: int) -> pa.Array:
    ends = _offsets(rng, rows)
    values = _array(rng, ends[-1], depth)
    mask = pa.array([rng.random() < 0.3 for _ in range(rows)], pa.bool_())
    if rng.random() < 0.5:
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values, mask=mask)
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), values, mask=mask)


def _view(rng: random.Random, rows: int, depth: int) -> pa.Array:
    values = _array(rng, 9, depth)
    starts = [rng.randrange(9) for _ in range(rows)]
    sizes = [rng.randrange(10 - start) for start in starts]
    if rng.random() < 0.5:
        return pa.ListViewArray.from_arrays(pa.array(starts, pa.int32()), pa.array(sizes, pa.int32()), values)
    return pa.LargeListViewArray.from_arrays(
        pa.array(starts, pa.int64()), pa.array(sizes, pa.int64()), values
    )


def _fixed(rng: random.Random, rows: int, depth: int) -> pa.Array:
    size = rng.choice([0, 1, 3]) if rows else 1
    values = _array(rng, rows * size, depth)
    if size == 0:
        return (
            pa.FixedSizeListArray.from_arrays(values, type=pa.list_(values.type, 0))
            if not rows
            else flat(rng, pa.null(), rows)
        )
    return pa.FixedSizeListArray.from_arrays(values, size)


def _struct(rng: random.Random, rows: int, depth: int) -> pa.Array:
    names = rng.sample(
        ["type", "size", "indices", "values", "a", "", "data", "shape", "dtype"], rng.choice([1, 2, 4])
    )
    mask = pa.array([rng.random() < 0.3 for _ in range(rows)], pa.bool_())
    return pa.StructArray.from_arrays([_array(rng, rows, depth) for _ in names], names=names, mask=mask)


def _map(rng: random.Random, rows: int, depth: int) -> pa.Array:
    ends = _offsets(rng, rows)
    keys = pa.array([str(i) for i in range(ends[-1])])
    return pa.MapArray.from_arrays(pa.array(ends, pa.int32()), keys, _array(rng, ends[-1], depth))


def _dictionary(rng: random.Random, rows: int, depth: int) -> pa.Array:
    values = _array(rng, 5, depth)
    kind = rng.choice([pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64()])
    indices = pa.array([rng.choice([None, 0, 1, 2, 3, 4]) for _ in range(rows)], kind)
    return pa.DictionaryArray.from_arrays(indices, values, ordered=rng.random() < 0.3)


def _runs(rng: random.Random, rows: int, depth: int) -> pa.Array:
    if rows == 0:
        return pa.RunEndEncodedArray.from_arrays(pa.array([], pa.int32()), _array(rng, 0, depth))
    ends = sorted({rng.randrange(1, rows + 1) for _ in range(3)} | {rows})
    values = _array(rng, len(ends), depth)
    if pa.types.is_run_end_encoded(values.type):
        return flat(rng, pa.int64(), rows)  # runs of runs do not cross between Arrow libraries
    return pa.RunEndEncodedArray.from_arrays(
        pa.array(ends, rng.choice([pa.int16(), pa.int32(), pa.int64()])), values
    )


def _union(rng: random.Random, rows: int, depth: int) -> pa.Array:
    kinds = pa.array([rng.randrange(2) for _ in range(rows)], pa.int8())
    if rng.random() < 0.5:
        return pa.UnionArray.from_sparse(kinds, [_array(rng, rows, depth), _array(rng, rows, depth)])
    children = [_array(rng, 4, depth), _array(rng, 4, depth)]
    places = pa.array([4 * i // rows for i in range(rows)], pa.int32())
    return pa.UnionArray.from_dense(kinds, places, children)


def _extension(rng: random.Random, rows: int, depth: int) -> pa.Array:
    match rng.randrange(3):
        case 0:
            return pa.ExtensionArray.from_storage(pa.uuid(), flat(rng, pa.binary(16), rows))
        case 1:
            return pa.ExtensionArray.from_storage(pa.bool8(), flat(rng, pa.int8(), rows))
        case _:
            return pa.ExtensionArray.from_storage(pa.json_(), flat(rng, pa.string(), rows))
