"""Convert columns of pandas to Arrow, so that NaN stays a number and missing values become null."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["array_of", "with_nan"]


def array_of(series: Any) -> pa.Array:
    """Return a Series as an Arrow array."""
    array = pa.array(series)
    array = array if isinstance(array, pa.Array) else array.combine_chunks()
    return with_nan(series, array)


def with_nan(series: Any, array: Any) -> Any:
    """Return the column with NaN where pyarrow made a null of it. If there is none, return `array` itself.

    In nullable types of pandas and in types of Arrow, missing values stay null. In a column of objects that are not numbers, a NaN
    means a missing object.
    """
    if not isinstance(series.dtype, np.dtype) or not _has_null_floats(array):
        return array
    if series.dtype.kind == "f":
        return pa.array(series.to_numpy(), array.type, from_pandas=False)
    cells = [_cell(value, scalar=pa.types.is_floating(array.type)) for value in series]
    if all(cell is None or (isinstance(cell, float | np.floating) and np.isnan(cell)) for cell in cells):
        # This may not be a column of numbers.
        return array
    try:
        return pa.array(cells, array.type, from_pandas=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Missing values of pandas in lists.
        return array


def _cell(value: Any, *, scalar: bool) -> Any:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT:
        return None
    is_missing = not scalar and isinstance(value, float) and np.isnan(value)
    return None if is_missing else value


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
