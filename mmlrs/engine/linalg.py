"""Vectors as Python objects: those of pyspark, such as the cells that `toPandas` returns, and structs as dicts."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.engine.cells import is_missing
from mmlrs.engine.fields import VECTOR

__all__ = ["is_vector_object", "vector_cells", "vector_dicts"]


def is_vector_object(cell: Any) -> bool:
    """Return whether a value is a vector of `pyspark.ml.linalg` or `pyspark.mllib.linalg`. It does not import pyspark."""
    kind = type(cell)
    return kind.__name__ in ("DenseVector", "SparseVector") and kind.__module__.startswith("pyspark.")


def vector_cells(cells: Sequence[Any]) -> pa.Array | None:
    """Return vectors, and None for a missing one, as structs.

    If a cell is anything else or a damaged vector, or if all are missing, return None.
    """
    kinds = set(map(type, cells))  # much cheaper than checking every cell
    if not any(kind.__module__.startswith("pyspark.") for kind in kinds):
        return None
    if not all(is_vector_object(cell) or is_missing(cell) for cell in cells):
        return None
    try:
        return pa.array([_struct(cell) if is_vector_object(cell) else None for cell in cells], VECTOR)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _struct(vector: Any) -> dict[str, Any]:
    if type(vector).__name__ == "DenseVector":
        return {"type": 1, "size": None, "indices": None, "values": vector.values}
    if np.asarray(vector.indices).dtype.kind not in "iu":
        raise TypeError("indices must be integers")
    return {"type": 0, "size": vector.size, "indices": vector.indices, "values": vector.values}


def vector_dicts(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return the cells of a column of vectors as dicts and None, several times as fast as `to_pandas` of pyarrow."""
    dicts = np.empty(len(column), object)
    first = 0
    with _no_collection():
        for chunk in column.chunks:
            dicts[first : first + len(chunk)] = _dicts(chunk)
            first += len(chunk)
    return dicts


@contextmanager
def _no_collection() -> Iterator[None]:
    """Stop the collection of cycles. New dicts start it again and again, each of which visits all objects of the process."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _dicts(vectors: pa.StructArray) -> list[dict[str, Any] | None]:
    kinds = vectors.field("type").to_numpy(zero_copy_only=False)
    values = _rows(vectors.field("values"))
    if not vectors.null_count and (kinds == 1).all():
        return [{"type": 1, "size": None, "indices": None, "values": row} for row in values]
    sizes, indices = vectors.field("size").to_pylist(), _rows(vectors.field("indices"))
    members = zip(vectors.is_valid().to_pylist(), kinds.tolist(), sizes, indices, values, strict=True)
    return [
        None
        if not valid
        else {"type": 1, "size": None, "indices": None, "values": row}
        if kind == 1
        else {"type": kind, "size": size, "indices": places, "values": row}
        for valid, kind, size, places, row in members
    ]


def _rows(lists: pa.ListArray) -> list[Any]:
    """Return views of the numbers of each list. A null is an empty list."""
    numbers, offsets = lists.values.to_numpy(zero_copy_only=False), lists.offsets.to_numpy()
    lengths = np.diff(offsets)
    if len(lengths) and lengths[0] and (lengths == lengths[0]).all():
        return list(numbers[offsets[0] : offsets[-1]].reshape(len(lengths), -1))
    return [numbers[start:end] for start, end in pairwise(offsets.tolist())]
