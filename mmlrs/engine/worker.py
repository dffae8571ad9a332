"""The functions that run in Spark's Python workers."""

from __future__ import annotations

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.callers import Caller, Owner
from mmlrs.engine.fields import VECTOR, VECTOR_MEMBERS
from mmlrs.errors import IoError, MmlrsError
from mmlrs.vectors import as_lists

__all__ = [
    "Kernel",
    "MergedFit",
    "OrderedKernel",
    "PartitionFit",
    "artifact_name",
    "as_type",
    "sent_path",
    "threads",
    "vector_lists",
    "vector_struct",
]

#: Maximum number of values of a batch of sparse vectors as lists: 1 GiB.
_MAX_DENSE = 2**28
#: Maximum number of cached programs of a process, and of the bytes of their models.
_PROGRAMS = 64
_MODEL_BYTES = 1 << 30


def artifact_name(sha256: str) -> str:
    """Return the name of the file that holds a model on every node."""
    return f"mmlrs-{sha256}.onnx"


@dataclass
class _Loaded:
    """A program with the models that it needs."""

    blobs: list[_native.Blob]
    size: int
    program: Any = None


#: Loaded programs by text, the least recently used one first.
_loaded: OrderedDict[str, _Loaded] = OrderedDict()
_lock = threading.Lock()


def _used(text: str) -> _Loaded | None:
    """Return a cached program, and mark it as the most recently used one."""
    with _lock:
        loaded = _loaded.get(text)
        if loaded is not None:
            _loaded.move_to_end(text)
        return loaded


def _keep(text: str, loaded: _Loaded) -> None:
    """Cache a program, and evict the least recently used ones."""
    with _lock:
        _loaded[text] = loaded
        while len(_loaded) > 1 and (
            len(_loaded) > _PROGRAMS or sum(item.size for item in _loaded.values()) > _MODEL_BYTES
        ):
            _loaded.popitem(last=False)


def program_info() -> tuple[int, int, int, int]:
    """Return the number of cached programs, the bytes of their models, and the maximum of both."""
    with _lock:
        return len(_loaded), sum(item.size for item in _loaded.values()), _PROGRAMS, _MODEL_BYTES


def clear_programs() -> None:
    """Clear the program cache of this process."""
    with _lock:
        _loaded.clear()


def threads() -> int:
    """Return the number of threads that this task may use."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return context.cpus() if context is not None else 1


@lru_cache(maxsize=1)
def _freeze_modules() -> None:
    """Exempt the modules of a Python worker from garbage collection.

    pyspark's daemon collects garbage after each task. Each time, it visits all objects of pandas, pyarrow and pyspark, which
    takes 40 ms: longer than many tasks. Their memory is never freed anyway.
    """
    from pyspark import TaskContext

    if TaskContext.get() is not None:
        gc.freeze()


@dataclass(frozen=True)
class Kernel:
    """Computes the outputs of a program for one batch of source arrays.

    Parameters
    ----------
    text : str
        The program.
    names : tuple of str
        Names of the source columns, in the order of the arguments of `run`.
    forms : tuple of {"plain", "vector", "split"}
        Form of each source: one array whose Spark ML vectors become lists of floats, one array of vector structs, or the four
        members of such structs.
    blobs : tuple of (str, bytes or None)
        Model bytes by SHA-256, or None for models that are files on the node.
    caller : Caller, optional
        The function that errors name instead of the stages.
    owners : tuple of (str, str, Owner)
        The stages that errors with such a beginning name, instead of the stage that raises them.
    """

    text: str
    names: tuple[str, ...]
    forms: tuple[str, ...]
    blobs: tuple[tuple[str, bytes | None], ...]
    caller: Caller | None = None
    owners: tuple[tuple[str, str, Owner], ...] = ()

    def run(self, arrays: Sequence[pa.Array], *, share: bool = True) -> pa.RecordBatch:
        """Return the outputs as columns of a batch.

        With `share`, results are cached for the next kernel that gets the same arrays.
        """
        loaded = self.load()
        batch = pa.RecordBatch.from_arrays(self._sources(arrays), names=list(self.names))
        try:
            if loaded.program is None:
                loaded.program = _native.Program(self.text)
            return loaded.program.run(batch, threads(), share)
        except MmlrsError as error:
            if self.caller is not None:
                raise type(error)(self.caller.message(str(error))) from None
            for start, stage, owner in self.owners:
                if str(error).startswith(start):
                    raise type(error)(owner.message(str(error), stage)) from None
            raise error.with_traceback(None) from None  # the message is complete without the traceback

    def first(self, kind: pa.DataType, *arrays: pa.Array) -> pa.Array:
        """Return the only output, as an array of type `kind`."""
        return as_type(self.run(arrays).column(0), kind)

    def struct(self, kind: pa.StructType, *arrays: pa.Array) -> pa.StructArray:
        """Return all outputs as the members of a struct of type `kind`."""
        batch = self.run(arrays)
        members = [as_type(batch.column(i), field.type) for i, field in enumerate(kind)]
        return pa.StructArray.from_arrays(members, names=[field.name for field in kind])

    def _sources(self, arrays: Sequence[pa.Array]) -> list[pa.Array]:
        """Return one array per source."""
        remaining = iter(arrays)
        sources = []
        for name, form in zip(self.names, self.forms, strict=True):
            if form == "split":
                sources.append(_joined([_combined(next(remaining)) for _ in VECTOR_MEMBERS]))
            else:
                array = _combined(next(remaining))
                sources.append(array if form == "vector" else _plain(array, name))
        return sources

    def load(self) -> _Loaded:
        """Return the program, after loading its models and files into this process if they are missing."""
        loaded = _used(self.text)
        if loaded is None:
            _freeze_modules()
            blobs = [self._blob(sha256, data) for sha256, data in self.blobs]
            loaded = _Loaded(blobs, sum(blob.size for blob in blobs))
            _keep(self.text, loaded)
        return loaded

    def _blob(self, sha256: str, data: bytes | None) -> _native.Blob:
        blob = _native.hold_blob(sha256)
        return blob or _native.put_blob(data if data is not None else _artifact(sha256))


def as_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array as an array of a type."""
    return array if array.type == kind else array.cast(kind)


@dataclass(frozen=True)
class OrderedKernel:
    """Computes the only output of a kernel, for arguments in an order and of a number that a user chose.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    order : tuple of (int, pyarrow.DataType)
        For each source of the kernel, the number of its argument and a type that it may have, for nulls without a type.
    check : callable
        Raises if the number of arguments is wrong.
    convert : callable
        Converts the output to the type that Spark expects.
    """

    kernel: Kernel
    order: tuple[tuple[int, pa.DataType], ...]
    check: Callable[[int], None]
    convert: Callable[[pa.Array], pa.Array]

    def __call__(self, *arrays: pa.Array) -> pa.Array:
        """Return the output."""
        self.check(len(arrays))
        sources = [
            pa.nulls(len(arrays[i]), kind) if pa.types.is_null(arrays[i].type) else arrays[i]
            for i, kind in self.order
        ]
        return self.convert(self.kernel.run(sources).column(0))


def _combined(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _plain(array: pa.Array, name: str) -> pa.Array:
    """Return the array, with structs of Spark ML vectors as lists of their values."""
    if pa.types.is_struct(array.type) and {f.name for f in array.type} == set(VECTOR_MEMBERS):
        return as_lists(array, f"column `{name}`", _MAX_DENSE)
    return array


def _joined(members: list[pa.Array]) -> pa.StructArray:
    """Return the struct of Spark ML vectors from its members. A vector without a type is null."""
    kinds, _, _, _ = members
    return pa.StructArray.from_arrays(
        [kinds.fill_null(0), *members[1:]], names=list(VECTOR_MEMBERS), mask=kinds.is_null()
    )


def vector_struct(array: pa.Array) -> pa.StructArray:
    """Return lists of numbers as the struct of dense Spark ML vectors."""
    n = len(array)
    kinds = {field.name: field.type for field in VECTOR}
    values = array.cast(kinds["values"])
    members = [
        pa.array([1] * n, kinds["type"]),
        pa.nulls(n, kinds["size"]),
        pa.nulls(n, kinds["indices"]),
        values,
    ]
    return pa.StructArray.from_arrays(members, type=VECTOR, mask=values.is_null())


def vector_lists(array: pa.Array) -> pa.Array:
    """Return vectors, as lists of numbers or as structs of Spark ML vectors, as lists of floats."""
    return _plain(array, "the result").cast(pa.list_(pa.float32()))


class PartitionFit:
    """A function for `mapInArrow` that computes the state of an estimator or summary for a partition.

    Parameters
    ----------
    kernel : Kernel
        Computes the columns that the stage reads.
    stage, uid, values : str
        The stage and its params as JSON.
    schema : bytes
        The Arrow schema of those columns.
    """

    def __init__(self, kernel: Kernel, stage: str, uid: str, values: str, schema: bytes) -> None:
        self.kernel = kernel
        self.stage = stage
        self.uid = uid
        self.values = values
        self.schema = schema

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the state, unless there are no rows."""
        self.kernel.load()
        fit = None
        for batch in batches:
            if not batch.num_rows:
                continue
            if fit is None:
                schema = pa.ipc.read_schema(pa.py_buffer(self.schema))
                fit = _native.Stage(self.stage, self.uid, self.values).fit(schema)
            fit.update(self.kernel.run(batch.columns, share=False), threads())
        if fit is not None:
            yield pa.RecordBatch.from_arrays([pa.array([fit.state()], pa.binary())], names=["state"])


class MergedFit:
    """A function for `mapInArrow` that merges the states of all partitions and ends the fit, in one last task.

    Parameters
    ----------
    stage, uid, values : str
        The stage and its params as JSON.
    schema : bytes
        The Arrow schema of the columns that it reads.
    """

    def __init__(self, stage: str, uid: str, values: str, schema: bytes) -> None:
        self.stage = stage
        self.uid = uid
        self.values = values
        self.schema = schema

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the result of the merged state, also if there is no state."""
        schema = pa.ipc.read_schema(pa.py_buffer(self.schema))
        fit = _native.Stage(self.stage, self.uid, self.values).fit(schema)
        for batch in batches:
            for state in batch.column(0):
                fit.merge(state.as_buffer().to_pybytes())
        yield pa.RecordBatch.from_arrays([pa.array([fit.finish()])], names=["result"])


def sent_path(name: str) -> str | None:
    """Return the path of a file that was sent to the node, or None if the node does not have it."""
    from pyspark import SparkFiles

    root = SparkFiles.getRootDirectory()
    # A function of a stream of Spark Connect may find the files of its session one folder deeper.
    for path in (
        SparkFiles.get(name),
        os.path.join(os.getcwd(), name),
        *map(str, Path(root).glob(f"*/{name}")),
    ):
        if os.path.exists(path):
            return path
    return None


def _artifact(sha256: str) -> bytes:
    """Read a model that was sent to the node as a file."""
    name = artifact_name(sha256)
    path = sent_path(name)
    if path is None:
        raise IoError(f"{name}: the model is not on this node, although the driver sent it with addArtifacts")
    with open(path, "rb") as file:
        return file.read()
