"""Convert columns of vectors, of any supported library, to matrices of NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.fields import VECTOR_MEMBERS
from mmlrs.errors import DecodeError, LimitExceededError, SchemaMismatchError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["as_lists", "to_numpy", "to_scipy"]

_SPARSE = 0
_DENSE = 1


def to_numpy(column: Any) -> npt.NDArray[np.floating[Any]]:
    """Return a column of vectors as a matrix, one row per vector.

    Parameters
    ----------
    column : pyarrow, pandas or polars column, or sequence
        Vectors as any stage returns them: lists of numbers, arrays, structs of dense or sparse Spark ML vectors, the pandas
        forms of these, or vectors of pyspark, as in `[row.features for row in df.collect()]`.

    Returns
    -------
    numpy.ndarray
        Shape (rows, length of the vectors). The type is float32 for vectors of float32 or float16, otherwise float64. A null
        row becomes a row of NaN, and a null in a vector becomes NaN. The array may share its memory with an Arrow column. It
        is then read-only.

    Raises
    ------
    DecodeError
        The vectors have different lengths, or one is damaged.
    LimitExceededError
        The matrix is too large for memory.
    SchemaMismatchError
        The column does not hold vectors.

    Notes
    -----
    Dense vectors of Arrow columns without nulls are not copied. Sparse vectors become dense; `to_scipy` keeps them sparse.

    Examples
    --------
    >>> import mmlrs, pyarrow as pa
    >>> mmlrs.to_numpy(pa.array([[1.0, 2.0], None, [3.0, 4.0]]))
    array([[ 1.,  2.],
           [nan, nan],
           [ 3.,  4.]])
    """
    rows = _rows(column, "to_numpy")
    shape = (len(rows.valid), rows.size)
    if rows.full:
        return rows.values.reshape(shape)
    try:
        matrix = np.zeros(shape, rows.values.dtype)
    except (MemoryError, ValueError):
        raise LimitExceededError(
            f"to_numpy: a matrix of {shape[0]} rows and {shape[1]} columns is too large for memory; use to_scipy"
        ) from None
    numbers = np.flatnonzero(rows.valid)
    matrix[np.repeat(numbers, rows.counts), rows.columns] = rows.values
    matrix[~rows.valid] = np.nan
    return matrix


def to_scipy(column: Any) -> csr_matrix:
    """Return a column of vectors as a sparse matrix, one row per vector.

    Parameters
    ----------
    column : pyarrow, pandas or polars column, or sequence
        Vectors as for `to_numpy`.

    Returns
    -------
    scipy.sparse.csr_matrix
        Shape (rows, length of the vectors). The type is float32 for vectors of float32 or float16, otherwise float64. Zeros
        are not stored.

    Raises
    ------
    DecodeError
        A row is null, the vectors have different lengths, or one is damaged.
    SchemaMismatchError
        The column does not hold vectors.
    ImportError
        SciPy is not installed.

    Examples
    --------
    >>> import mmlrs
    >>> from pyspark.ml.linalg import Vectors
    >>> matrix = mmlrs.to_scipy([Vectors.sparse(4, [1], [5.0]), Vectors.dense([0.0, 0.0, 0.0, 7.0])])
    >>> matrix.shape, matrix.nnz
    ((2, 4), 2)
    """
    try:
        from scipy.sparse import csr_matrix
    except ImportError:
        raise ImportError("to_scipy: SciPy is not installed; pip install scipy") from None
    rows = _rows(column, "to_scipy")
    if not rows.valid.all():
        raise DecodeError(
            f"to_scipy: row {int(np.argmin(rows.valid))} is null, and a sparse matrix cannot have missing rows; drop the nulls, "
            "or use to_numpy, which makes them NaN"
        )
    starts = np.concatenate([[0], np.cumsum(rows.counts)])
    # A copy, because the next two calls change the arrays in place.
    matrix = csr_matrix((rows.values, rows.columns, starts), shape=(len(rows.valid), rows.size), copy=True)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return matrix


def as_lists(
    array: pa.StructArray, where: str, limit: int, kind: type[np.floating[Any]] = np.float32
) -> pa.ListArray:
    """Return structs of Spark ML vectors as lists of floats of a kind, of at most `limit` numbers in total."""
    rows = _chunk(array, where)
    sizes = np.zeros(len(array), np.int64)
    sizes[rows.valid] = rows.sizes
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    if total > limit:
        raise LimitExceededError(
            f"{where}: sparse vectors would have {total} numbers in total as dense vectors; a batch can have at most {limit}"
        )
    values = np.zeros(total, kind)
    values[np.repeat((ends - sizes)[rows.valid], rows.counts) + rows.columns] = rows.values
    offsets = pa.array(np.append(0, ends), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values), mask=pa.array(~rows.valid))


@dataclass
class _Rows:
    """The stored values of all vectors, one after the other, and the matrix column of each.

    `valid` has an item for each row. `sizes` and `counts` have an item for each row that is not null.
    """

    valid: npt.NDArray[np.bool_]
    sizes: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    values: npt.NDArray[np.floating[Any]]
    full: bool
    size: int = 0


def _rows(column: Any, function: str) -> _Rows:
    """Read a column of any library."""
    chunks = [_chunk(chunk, function) for chunk in _arrow(column, function)]
    if not chunks:
        empty = np.zeros(0, np.int64)
        return _Rows(np.zeros(0, np.bool_), empty, empty, empty, np.zeros(0), full=False)
    valid = np.concatenate([c.valid for c in chunks])
    sizes = np.concatenate([c.sizes for c in chunks])
    rows = _Rows(
        valid,
        sizes,
        np.concatenate([c.counts for c in chunks]),
        np.concatenate([c.columns for c in chunks]),
        chunks[0].values if len(chunks) == 1 else np.concatenate([c.values for c in chunks]),
        full=all(c.full for c in chunks),
        size=int(sizes[0]) if len(sizes) else max(c.size for c in chunks),
    )
    mismatches = np.flatnonzero(sizes != rows.size)
    if len(mismatches):
        numbers = np.flatnonzero(valid)
        other = int(mismatches[0])
        raise DecodeError(
            f"{function}: the vectors have different lengths: {rows.size} in row {numbers[0]}, {sizes[other]} in row "
            f"{numbers[other]}; a matrix has rows of one length"
        )
    return rows


def _arrow(column: Any, function: str) -> list[pa.Array]:
    """Return the chunks of a column; Arrow data is not copied."""
    if isinstance(column, pa.Array):
        return [column]
    if isinstance(column, pa.ChunkedArray):
        return column.chunks or [pa.array([], column.type)]
    if isinstance(column, np.ndarray) and column.ndim == 2 and column.dtype != object:
        return [pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])]
    kind = type(column).__module__.partition(".")[0]
    if kind == "pandas" and not hasattr(column, "to_frame"):
        raise _no_vectors(function, f"is a {type(column).__name__}; pass one of its columns")
    if kind == "pandas" and column.dtype != object:
        array = pa.array(column)
        return array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    if kind not in ("pandas", "numpy") and hasattr(column, "__arrow_c_stream__"):
        return _arrow(pa.chunked_array(column), function)
    if isinstance(column, str | bytes | dict) or not isinstance(column, Iterable):
        raise _no_vectors(function, f"is a {type(column).__name__}")
    rows = [_plain(row) for row in column]
    try:
        return [pa.array(rows, from_pandas=True)]
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise _no_vectors(function, f"has rows of several kinds ({error})") from None


def _plain(row: Any) -> Any:
    """Return a vector of pyspark as the struct that a column holds, and other rows unchanged."""
    if not hasattr(row, "toArray"):
        return row.tolist() if isinstance(row, np.ndarray) and row.dtype == object else row
    if hasattr(row, "indices"):
        return {"type": _SPARSE, "size": int(row.size), "indices": row.indices, "values": row.values}
    return {"type": 1, "size": None, "indices": None, "values": row.toArray()}


def _chunk(array: pa.Array, function: str) -> _Rows:
    """Read an Arrow array."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    present = array if valid.all() else array.filter(pa.array(valid))
    kind = array.type
    if pa.types.is_struct(kind) and {field.name for field in kind} == set(VECTOR_MEMBERS):
        return _structs(present, valid, function)
    if pa.types.is_null(kind):
        present = present.cast(pa.list_(pa.float64()))
    elif not _is_list(kind) or not _is_number(kind.value_type):
        raise _no_vectors(function, f"has type {kind}")
    counts = _counts(present)
    size = kind.list_size if pa.types.is_fixed_size_list(kind) else 0
    return _dense(valid, counts, pc.list_flatten(present), size)


def _dense(valid: npt.NDArray[np.bool_], counts: npt.NDArray[np.int64], flat: pa.Array, size: int) -> _Rows:
    values = _numbers(flat)
    return _Rows(valid, counts, counts, _places(counts), values, full=bool(valid.all()), size=size)


def _structs(present: pa.StructArray, valid: npt.NDArray[np.bool_], function: str) -> _Rows:
    """Read structs of Spark ML vectors: sparse vectors have a size and indices, dense vectors have neither."""
    members = {field.name: present.field(i) for i, field in enumerate(present.type)}
    lists = {name: members[name] for name in ("indices", "values")}
    if any(not _is_list(m.type) and not pa.types.is_null(m.type) for m in lists.values()):
        raise _no_vectors(function, f"has type {present.type}")
    counts = _counts(lists["values"])
    flat = _flat(lists["values"])
    kinds = pc.fill_null(members["type"].cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    sparse = kinds == _SPARSE
    damaged = (kinds != _SPARSE) & (kinds != _DENSE)
    damaged |= lists["values"].is_null().to_numpy(zero_copy_only=False)
    if not sparse.any() and not damaged.any():
        return _dense(valid, counts, flat, 0)
    index_counts = np.where(sparse, _counts(lists["indices"]), counts)
    sizes = pc.fill_null(members["size"].cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    sizes = np.where(sparse, sizes, counts)
    columns = _places(counts)
    in_sparse = np.repeat(sparse, counts)
    damaged |= (index_counts != counts) | (sizes < 0)
    if not damaged.any():
        indices = pc.fill_null(_flat(lists["indices"].filter(pa.array(sparse))), -1)
        columns[in_sparse] = indices.to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(counts)), counts)
        damaged[rows[(columns < 0) | (columns >= np.repeat(sizes, counts))]] = True
        damaged[rows[1:][(np.diff(columns) <= 0) & (np.diff(rows) == 0)]] = True
    if damaged.any():
        place = int(np.argmax(damaged))
        row = int(np.flatnonzero(valid)[place])
        if sparse[place]:
            problem = "sparse vector: its indices must ascend, be below its size and have one value each"
        else:
            problem = "vector: its `type` must be 0 (sparse) or 1 (dense), and it must have `values`"
        raise DecodeError(f"{function}: row {row} is a damaged {problem}")
    return _Rows(valid, sizes, counts, columns, _numbers(flat), full=False)


def _counts(lists: pa.Array) -> npt.NDArray[np.int64]:
    if pa.types.is_null(lists.type):
        return np.zeros(len(lists), np.int64)
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _flat(lists: pa.Array) -> pa.Array:
    return pa.array([], pa.float64()) if pa.types.is_null(lists.type) else pc.list_flatten(lists)


def _numbers(flat: pa.Array) -> npt.NDArray[np.floating[Any]]:
    narrow = pa.types.is_float32(flat.type) or pa.types.is_float16(flat.type)
    kind = pa.float32() if narrow else pa.float64()
    if flat.type != kind:
        flat = flat.cast(kind, safe=False)
    numbers: npt.NDArray[np.floating[Any]] = flat.to_numpy(zero_copy_only=False)
    return numbers


def _places(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the positions 0, 1, 2, ... of the values of each row."""
    starts = np.cumsum(counts) - counts
    return np.arange(counts.sum(), dtype=np.int64) - np.repeat(starts, counts)


def _is_list(kind: pa.DataType) -> bool:
    checks = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(check(kind) for check in checks)


def _is_number(kind: pa.DataType) -> bool:
    checks = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    return any(check(kind) for check in checks)


def _no_vectors(function: str, problem: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{function}: the column {problem}; expected vectors: lists of numbers, arrays, or Spark ML vectors"
    )
