"""What runs in Spark's Python workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.errors import IoError

__all__ = ["Kernel", "artifact_name", "vector_struct"]


def artifact_name(sha256: str) -> str:
    """Return the name of the file that holds a model on every node."""
    return f"mmlrs-{sha256}.onnx"


@lru_cache(maxsize=64)
def _program(text: str) -> Any:
    return _native.Program(text)


def _threads() -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.cpus() if context is not None else 1


class Kernel:
    """Computes the outputs of a program for one batch of source arrays.

    Parameters
    ----------
    text : str
        The program.
    names : tuple of str
        The source columns, in the order in which `run` takes their arrays.
    blobs : tuple of (str, bytes or None)
        Model bytes by SHA-256; None for those that lie on the node as files.
    """

    def __init__(
        self, text: str, names: tuple[str, ...], blobs: tuple[tuple[str, bytes | None], ...]
    ) -> None:
        self.text = text
        self.names = names
        self.blobs = blobs

    def run(self, arrays: Sequence[pa.Array]) -> pa.RecordBatch:
        """Return the outputs as columns of a batch."""
        for sha256, data in self.blobs:
            if not _native.has_blob(sha256):
                _native.put_blob(data if data is not None else _artifact(sha256))
        batch = pa.RecordBatch.from_arrays([_plain(a) for a in arrays], names=list(self.names))
        return _program(self.text).run(batch, _threads(), True)


_VECTOR_FIELDS = {"type", "size", "indices", "values"}


def _plain(array: pa.Array) -> pa.Array:
    """Return one Arrow array; the struct of a Spark ML vector becomes a list of its values."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_struct(array.type) and {f.name for f in array.type} == _VECTOR_FIELDS:
        return _dense(array)
    return array


def _dense(array: pa.StructArray) -> pa.Array:
    rows = []
    for row in array.to_pylist():
        if row is None or row["type"] == 1:
            rows.append(None if row is None else row["values"])
            continue
        values = [0.0] * row["size"]
        for i, v in zip(row["indices"], row["values"], strict=True):
            values[i] = v
        rows.append(values)
    return pa.array(rows, pa.list_(pa.float32()))


def vector_struct(array: pa.Array) -> pa.StructArray:
    """Return lists of numbers as the struct of dense Spark ML vectors."""
    n = len(array)
    values = array.cast(pa.list_(pa.float64()))
    members = [
        pa.array([1] * n, pa.int8()),
        pa.nulls(n, pa.int32()),
        pa.nulls(n, pa.list_(pa.int32())),
        values,
    ]
    fields = [
        pa.field("type", pa.int8(), nullable=False),
        pa.field("size", pa.int32()),
        pa.field("indices", pa.list_(pa.int32())),
        pa.field("values", pa.list_(pa.float64())),
    ]
    return pa.StructArray.from_arrays(members, fields=fields, mask=values.is_null())


def _artifact(sha256: str) -> bytes:
    """Read a model that was sent to the node as a file."""
    from pyspark import SparkFiles

    name = artifact_name(sha256)
    for path in (SparkFiles.get(name), os.path.join(os.getcwd(), name)):
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    raise IoError(f"{name}: the model is not on this node; it was sent with addArtifacts by the driver")
