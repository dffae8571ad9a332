"""One task of a barrier job, in a worker: it meets its peers, gets the state, runs the work, and returns the new state.

The tasks exchange their addresses with one `allGather`. It takes up to a second, because the JVM asks for its result once a second.
Whatever the tasks exchange later goes through sockets of the work.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from mmlrs.engine.worker import sent_path, threads
from mmlrs.errors import MmlrsError

__all__ = [
    "CHUNK_BYTES",
    "ROWS",
    "BarrierTask",
    "Chunk",
    "Forget",
    "PeerLostError",
    "State",
    "StateSource",
    "Work",
    "pieces_of",
    "size_of",
]

#: A piece of a state: anything with the buffer protocol.
Chunk: TypeAlias = "bytes | bytearray | memoryview"

#: Maximum number of bytes of a row of the result. Spark Connect sends rows in messages of at most 128 MiB.
CHUNK_BYTES = 4 * 1024 * 1024
#: The schema of the result: the pieces of the new state, and one report of each task.
ROWS = "rank int, kind string, data binary"
_ARROW = pa.schema([("rank", pa.int32()), ("kind", pa.string()), ("data", pa.binary())])

#: Seconds that a task waits after it lost a peer. If the peer failed, Spark then ends this task, and reports the peer's error.
_GRACE = 3.0


class PeerLostError(ConnectionError):
    """A task cannot reach its peers. The job is worth another attempt."""


@dataclass(frozen=True)
class State:
    """A new state, of which one piece at a time is in memory.

    Parameters
    ----------
    size : int
        Number of bytes.
    chunks : iterable of bytes-like objects
        The pieces.
    """

    size: int
    chunks: Iterable[Chunk]


class Work(Protocol):
    """What each task of a barrier job does. It is pickled on the driver; each task has its own copy."""

    def listen(self, host: str) -> int:
        """Open a port for the peers on this address of the node, and return its number."""
        ...

    def run(
        self,
        batches: Iterator[pa.RecordBatch],
        rank: int,
        addresses: list[str],
        token: bytes,
        root: int,
        state: Iterator[bytes] | None,
        threads: int,
    ) -> tuple[State | None, str]:
        """Process the rows of a partition together with the peers.

        Parameters
        ----------
        batches : iterator of pyarrow.RecordBatch
            The rows of this task. A partition may be empty.
        rank : int
            The number of this task.
        addresses : list of str
            The address "host:port" of each task, this one included, in the order of the ranks.
        token : bytes
            32 random bytes. A connection that does not present them comes from another program.
        root : int
            The rank that has the state and sends it to the others, or -1 if there is no state.
        state : iterator of bytes, or None
            The state in pieces, in the order in which they were returned; None except for `root`.
        threads : int
            Number of threads that this task may use.

        Returns
        -------
        state : State or None
            The new state of rank 0. Other ranks return None.
        report : str
            JSON for the driver.

        Raises
        ------
        ConnectionError, TimeoutError
            A peer is gone or silent: the job is run again.
        MmlrsError
            The data or the params are wrong: the user gets this error.
        """
        ...


@dataclass(frozen=True)
class StateSource:
    """Where the tasks of a job find the state.

    Parameters
    ----------
    lengths : tuple of int
        Number of bytes of each piece.
    inline : tuple of bytes or None
        The state itself, if it is small.
    name : str
        Otherwise the name of the file that a node may have.
    """

    lengths: tuple[int, ...]
    inline: tuple[bytes, ...] | None
    name: str

    @property
    def size(self) -> int:
        """Number of bytes."""
        return sum(self.lengths)


def pieces_of(chunks: Iterable[Chunk]) -> Iterator[memoryview]:
    """Yield a state in pieces of at most `CHUNK_BYTES`, without copying it."""
    for chunk in chunks:
        view = memoryview(chunk).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            yield view[start : start + CHUNK_BYTES]


def size_of(chunks: Sequence[Chunk]) -> int:
    """Return the number of bytes of a state."""
    return sum(memoryview(chunk).nbytes for chunk in chunks)


class BarrierTask:
    """A function for `mapInArrow` in barrier mode.

    A large new state also becomes a file of rank 0's executor. The next job usually finds it there, so that the state need not be
    sent back from the driver. The file is in the executor's folder for files, which Spark removes in the end. A standalone cluster
    keeps the folder of a killed executor until `spark.worker.cleanup` removes it.

    Parameters
    ----------
    work : Work
        What the task does.
    source : StateSource or None
        The state.
    token : bytes
        Random bytes for the connections of this job.
    chain, keep : str
        Beginning of the names of all files of the chain, and the name of the file of the new state.
    keep_from : int
        Number of bytes of a state from which it is a file.
    silence : float
        Seconds to wait for the peers.
    """

    def __init__(
        self,
        work: Work,
        source: StateSource | None,
        token: bytes,
        *,
        chain: str,
        keep: str,
        keep_from: int,
        silence: float,
    ) -> None:
        self.work = work
        self.source = source
        self.token = token
        self.chain = chain
        self.keep = keep
        self.keep_from = keep_from
        self.silence = silence

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the new state of rank 0, and a report."""
        from pyspark import BarrierTaskContext

        context = BarrierTaskContext.get()
        rank = context.partitionId()
        host = context.getTaskInfos()[rank].address.rpartition(":")[0]
        try:
            port = self.work.listen(host.strip("[]"))
            path = self._path()
            found = path is not None or (self.source is not None and self.source.inline is not None)
            answers = self._gathered(context.allGather, json.dumps([f"{host}:{port}", found]))
            addresses, holders = zip(*map(json.loads, answers), strict=True)
            root = holders.index(True) if any(holders) else -1
            if self.source is not None and root < 0:
                yield _row(rank, "missing", b"")
                return
            _remove(self.chain, keep={self.source.name if self.source else "", self.keep, self._part})
            given = self._read(path) if rank == root else None
            state, report = self.work.run(batches, rank, list(addresses), self.token, root, given, threads())
        except MmlrsError as error:
            raise error.with_traceback(None) from None  # the message is complete without the traceback
        except (ConnectionError, TimeoutError) as error:
            time.sleep(min(_GRACE, self.silence))
            raise PeerLostError(f"task {rank} on {host}: {str(error) or type(error).__name__}") from None
        yield from self._rows(rank, state or State(0, ()), report)

    @property
    def _part(self) -> str:
        """Return the name of the file of the new state while it is incomplete."""
        return f"{self.keep}.part"

    def _path(self) -> str | None:
        """Return the path of the state's file, if this node has it."""
        if self.source is None or self.source.inline is not None:
            return None
        path = sent_path(self.source.name)
        return path if path is not None and os.path.getsize(path) == self.source.size else None

    def _read(self, path: str | None) -> Iterator[bytes]:
        """Yield the pieces of the state as they were returned. Only one of them is in memory at a time."""
        assert self.source is not None, "this rank has the state"
        if path is None:
            yield from self.source.inline or ()
            return
        with open(path, "rb") as file:
            yield from map(file.read, self.source.lengths)

    def _gathered(self, gather: Callable[[str], list[str]], message: str) -> list[str]:
        """Return the messages of all tasks. PySpark waits for them without a limit, so it waits in a thread."""
        answers: list[Any] = []

        def ask() -> None:
            try:
                answers.append(gather(message))
            except Exception as error:  # noqa: BLE001 - raised below
                answers.append(error)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self.silence)
        if not answers:
            raise TimeoutError(f"not all tasks of the job were there within {self.silence:g} s")
        if isinstance(answers[0], Exception):
            raise ConnectionError(f"the tasks of the job did not meet: {answers[0]}")
        messages: list[str] = answers[0]
        return messages

    def _rows(self, rank: int, state: State, report: str) -> Iterator[pa.RecordBatch]:
        """Yield the new state in pieces, which also go to the file, and the report."""
        with contextlib.ExitStack() as stack:
            file = self._file(stack) if state.size > self.keep_from else None
            for piece in pieces_of(state.chunks):
                if file is not None:
                    try:
                        file.write(piece)
                    except OSError:  # a full disk: the driver sends the state instead
                        file = None
                yield _row(rank, "state", piece)
            kept = file is not None and self._finish(file)
        yield _row(rank, "report", json.dumps({"bytes": state.size, "kept": kept, "report": report}).encode())

    def _file(self, stack: contextlib.ExitStack) -> Any:
        """Return the open file of the new state, or None if this node has no place for it."""
        try:
            descriptor = os.open(
                os.path.join(_folder(), self._part), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
        except OSError:
            return None
        return stack.enter_context(os.fdopen(descriptor, "wb"))

    def _finish(self, file: Any) -> bool:
        """Give the file of the new state its name; return whether that succeeded."""
        try:
            file.close()
            os.replace(os.path.join(_folder(), self._part), os.path.join(_folder(), self.keep))
        except OSError:
            return False
        return True


class Forget:
    """A function for `mapInArrow` that removes the files of a chain from the executors.

    Parameters
    ----------
    chain : str
        Beginning of the names of the files.
    """

    def __init__(self, chain: str) -> None:
        self.chain = chain

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield nothing. The rows are not read."""
        _remove(self.chain, keep=set())
        return iter(())


def _folder() -> str:
    from pyspark import SparkFiles

    return str(SparkFiles.getRootDirectory())


def _remove(chain: str, keep: set[str]) -> None:
    """Remove the files of a chain, except some, from this executor. Another task may do the same."""
    for path in Path(_folder()).glob(f"{chain}*"):
        if path.name not in keep:
            with contextlib.suppress(OSError):
                path.unlink()


def _row(rank: int, kind: str, data: Chunk) -> pa.RecordBatch:
    """Return a row of the result, without copying the data.

    `pa.array` would import pandas, which takes 40 MB.
    """
    ranks = pa.Array.from_buffers(pa.int32(), 1, [None, pa.py_buffer(struct.pack("=i", rank))])
    cells = [_cell(pa.string(), kind.encode()), _cell(pa.binary(), data)]
    return pa.RecordBatch.from_arrays([ranks, *cells], schema=_ARROW)


def _cell(kind: pa.DataType, data: Chunk) -> pa.Array:
    """Return an array of one string or binary."""
    ends = pa.py_buffer(struct.pack("=ii", 0, memoryview(data).nbytes))
    return pa.Array.from_buffers(kind, 1, [None, ends, pa.py_buffer(data)])
