"""Arrow arrays of a single cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.engine.cells import UNORDERED, file_cells, has_pictures
from mmlrs.engine.linalg import is_vector_object, vector_cells

__all__ = ["one_cell"]

#: The NumPy type of the data of a single cell, by its class, and the Arrow type.
_NUMBERS: dict[type, tuple[Any, pa.DataType]] = {
    float: (np.float64, pa.float64()),
    int: (np.int64, pa.int64()),
    bool: (np.uint8, pa.bool_()),
}
_BYTES: dict[type, pa.DataType] = {str: pa.string(), bytes: pa.binary()}


def one_cell(value: Any, kind: pa.DataType | None = None) -> pa.Array:
    """Return an array of one cell, of its own type or of `kind`. Images are encoded, and vectors of pyspark become structs.

    Numbers, strings and bytes do not go through `pa.array`, which imports pandas where it is installed.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    cls = type(value)
    if value is None or cls.__name__ == "NAType":  # that of pandas
        return pa.nulls(1, pa.null() if kind is None else kind)
    if cls in _NUMBERS and kind in (None, _NUMBERS[cls][1]):
        dtype, kind = _NUMBERS[cls]
        return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(np.array([value], dtype))])
    if cls in _BYTES and kind in (None, _BYTES[cls]):
        data = value.encode() if cls is str else value
        offsets = np.array([0, len(data)], np.int32)
        return pa.Array.from_buffers(_BYTES[cls], 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    if is_vector_object(value):
        cells = vector_cells([value])
        if cells is None:
            raise ValueError("it is a damaged vector")
        return cells
    if isinstance(value, UNORDERED):
        raise TypeError(f"a {cls.__name__} is not a list of numbers")
    return file_cells([value]) if has_pictures([value]) else pa.array([value], kind)
