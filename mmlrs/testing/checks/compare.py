"""Compare tables value by value."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

from mmlrs._messages import shown
from mmlrs.engine.fields import VECTOR_MEMBERS

__all__ = ["assert_same", "same"]


def assert_same(got: pa.Table, expected: pa.Table, *, sort: bool = False) -> None:
    """Raise unless two tables are equal: floats to 1e-5, other values exactly. Types may differ in width."""
    assert got.column_names == expected.column_names, f"{got.column_names} is not {expected.column_names}"
    assert got.num_rows == expected.num_rows, f"{got.num_rows} rows, expected {expected.num_rows}"
    left, right = got.to_pylist(), expected.to_pylist()
    if sort:
        left, right = sorted(left, key=repr), sorted(right, key=repr)
    for row, (a, b) in enumerate(zip(left, right, strict=True)):
        for name in expected.column_names:
            assert same(a[name], b[name]), (
                f"row {row}, column {name}: {shown(a[name], 120)} is not {shown(b[name], 120)}"
            )


def _is_vector(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == set(VECTOR_MEMBERS)


def _sparse(value: Any) -> tuple[int, dict[int, float]]:
    """Return the size and the non-zero values of a vector, which is a struct or a list."""
    if isinstance(value, list):
        size, pairs = len(value), list(enumerate(value))
    elif value["type"] == 1:
        size, pairs = len(value["values"]), list(enumerate(value["values"]))
    else:
        size, pairs = value["size"], list(zip(value["indices"], value["values"], strict=True))
    return size, {i: v for i, v in pairs if v != 0}


def same(a: Any, b: Any) -> bool:
    """Return whether two cells are equal: floats to 1e-5, other values exactly. A vector may be a struct or a list."""
    if (_is_vector(a) and isinstance(b, dict | list)) or (_is_vector(b) and isinstance(a, list)):
        (n, left), (m, right) = _sparse(a), _sparse(b)
        return n == m and left.keys() == right.keys() and all(same(left[i], right[i]) for i in left)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b)
