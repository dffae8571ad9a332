"""Columns of pandas as Arrow: NaN is a number there, and stays one; what is missing is null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["array_of", "with_nan"]


def array_of(series: Any) -> pa.Array:
    """Convert a Series."""
    array = pa.array(series)
    array = array if isinstance(array, pa.Array) else array.combine_chunks()
    return with_nan(series, array)


def with_nan(series: Any, array: Any) -> Any:
    """Return the column with the NaN back that pyarrow takes for null; `array` itself where it lost none.

    In pandas' own nullable types, and in those of Arrow, missing is missing. In a column of objects that are no numbers a
    NaN says that the object is missing.
    """
    if not isinstance(series.dtype, np.dtype) or not _has_null_floats(array):
        return array
    if series.dtype.kind == "f":
        return pa.array(series.to_numpy(), array.type, from_pandas=False)
    cells = [_cell(value, scalar=pa.types.is_floating(array.type)) for value in series]
    if all(cell is None or (isinstance(cell, float | np.floating) and np.isnan(cell)) for cell in cells):
        # Nothing says that this is a column of numbers.
        return array
    try:
        return pa.array(cells, array.type, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Missing values of pandas, not of Python, inside of lists.
        return array


def _cell(value: Any, *, scalar: bool) -> Any:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return None
    missing = not scalar and isinstance(value, float) and np.isnan(value)
    return None if missing else value


def _has_null_floats(array: Any) -> bool:
    """Return whether the floats of a column hold a null, at any depth."""
    if isinstance(array, pa.ChunkedArray):
        return any(_has_null_floats(chunk) for chunk in array.chunks)
    kind = array.type
    if pa.types.is_floating(kind):
        return bool(array.null_count)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _has_null_floats(array.flatten())
    if pa.types.is_struct(kind):
        return any(_has_null_floats(array.field(i)) for i in range(kind.num_fields))
    return False
