"""What runs in Spark's Python workers."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.errors import IoError

__all__ = ["Kernel", "artifact_name"]


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
    fields : tuple of pyarrow.Field
        The source columns.
    blobs : tuple of (str, bytes or None)
        Model bytes by SHA-256; None for those that lie on the node as files.
    """

    def __init__(
        self, text: str, fields: tuple[pa.Field, ...], blobs: tuple[tuple[str, bytes | None], ...]
    ) -> None:
        self.text = text
        self.fields = fields
        self.blobs = blobs

    def run(self, arrays: tuple[pa.Array, ...]) -> pa.RecordBatch:
        """Return the outputs as columns of a batch."""
        for sha256, data in self.blobs:
            if not _native.has_blob(sha256):
                _native.put_blob(data if data is not None else _artifact(sha256))
        cast = [_plain(a, f.type) for a, f in zip(arrays, self.fields, strict=True)]
        batch = pa.RecordBatch.from_arrays(cast, schema=pa.schema(list(self.fields)))
        return _program(self.text).run(batch, _threads(), True)


def _plain(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    return array if array.type == kind else array.cast(kind)


def _artifact(sha256: str) -> bytes:
    """Read a model that was sent to the node as a file."""
    from pyspark import SparkFiles

    name = artifact_name(sha256)
    for path in (SparkFiles.get(name), os.path.join(os.getcwd(), name)):
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    raise IoError(f"{name}: the model is not on this node; it was sent with addArtifacts by the driver")
