"""What the estimate of workers measures: gradients, sums over workers, gradients that the driver collects; in one process."""

from __future__ import annotations

import json
import secrets
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

from mmlrs import _native
from mmlrs.ann._table import batches_read
from mmlrs.engine.training import Specification

if TYPE_CHECKING:
    from mmlrs.engine.barrier_task import State

__all__ = ["FUNCTION", "Process", "Run", "Times", "TimingWork", "measured", "times_on_table"]

#: What errors name.
FUNCTION = "estimate_workers"
#: Seconds that a worker waits for another one.
_SILENCE = 60.0
_HOST = "127.0.0.1"
#: A network whose sum takes no longer than the latency, and a row for it.
_TINY = {
    "version": 1,
    "input": [1],
    "layers": [{"kind": "dense", "size": 1}],
    "loss": {"kind": "squared_error"},
}
_ROW = pa.record_batch({"c0": pa.array([[0.0]], pa.list_(pa.float32()))})


@dataclass(frozen=True)
class Times:
    """Measured seconds.

    Parameters
    ----------
    rows : int
        Number of rows of the dataset that were read.
    trained : int
        Number of these rows whose gradient was computed: those that are not held out or left out.
    one : float
        A gradient of these rows by one worker.
    two : float, optional
        A gradient of these rows by two workers that share them, if two fit the cluster.
    latency, reduce : float
        A sum of a few numbers, and of a gradient, over two workers.
    idle, collect : float
        What collecting takes without any gradient, and with the gradients of two workers.
    notes : tuple of str
        Where this was measured.
    """

    rows: int
    trained: int
    one: float
    two: float | None
    latency: float
    reduce: float
    idle: float
    collect: float
    notes: tuple[str, ...]


def _tiny(specification: Specification) -> Specification:
    """Return the same training of a network with two parameters."""
    read = json.loads(specification.columns) | {
        "features": "c0",
        "label": None,
        "labels": "input",
        "weight": None,
        "held_out": None,
    }
    settings = json.loads(specification.settings) | {"validation_fraction": 0.0, "augmentation": []}
    return replace(
        specification,
        network=json.dumps(_TINY),
        columns=json.dumps(read),
        settings=json.dumps(settings),
        parameters=None,
    )


@dataclass
class TimingWork:
    """What a worker does: it reads its rows, then measures gradients, and sums together with its peers.

    Parameters
    ----------
    specification : Specification
        The training.
    gradients, sums : int
        How often each is measured.
    is_tiny : bool
        Whether the rows are replaced by a row for a network of two parameters.
    first : int, optional
        The place of the first row in a table, for errors.
    """

    specification: Specification
    gradients: int
    sums: int
    is_tiny: bool = False
    first: int | None = None

    def listen(self, host: str) -> int:
        """Open a port for the peers."""
        self._listener = _native.Listener(host)
        return self._listener.port

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
        """Measure, and return the seconds of a gradient and of a sum, and the number of rows to train on."""
        spec = _tiny(self.specification) if self.is_tiny else self.specification
        trainer = _native.Trainer(spec.stage, spec.network, spec.settings, spec.columns)
        if len(addresses) > 1:
            trainer.connect(self._listener, rank, addresses, token, _SILENCE)
        first = self.first
        for batch in [_ROW] if self.is_tiny else batches:
            named = batch.schema.names == spec.read
            trainer.add(
                batch if named else pa.RecordBatch.from_arrays(batch.columns, names=spec.read), first=first
            )
            first = None if first is None else first + batch.num_rows
        rows, _, _ = trainer.start(threads, parameters=spec.parameters)
        return None, json.dumps([*trainer.time(self.gradients, self.sums), rows])


#: Runs the work of all workers; returns the seconds of a gradient and of a sum, and the number of rows, for each of them.
Run: TypeAlias = Callable[[TimingWork], list[tuple[float, float, int]]]


class Place(Protocol):
    """Where workers run."""

    def workers(self, count: int) -> AbstractContextManager[Run]:
        """Return what runs the work of so many workers, each with its part of the rows."""

    def collect(self, size: int) -> float:
        """Return the seconds of collecting so many bytes from each of two workers."""


def measured(
    place: Place,
    apart: Place | None,
    specification: Specification,
    rows: int,
    repeats: int,
    notes: tuple[str, ...],
) -> Times:
    """Measure in a place, or the sums apart from it if it has no room for two workers."""
    with place.workers(1) as run:
        [(one, _, trained)] = run(TimingWork(specification, repeats, 1))
    with (apart or place).workers(2) as run:
        both = run(TimingWork(specification, repeats, repeats))
        tiny = run(TimingWork(_tiny(specification), 1, 4 * repeats, is_tiny=True))
    two, reduce = (max(seconds) for seconds in list(zip(*both, strict=True))[:2])
    size = 4 * json.loads(_native.network_info(specification.network))["parameters"]
    place.collect(size)  # the first one is slower
    idle, collect = (statistics.median(place.collect(n) for _ in range(repeats)) for n in (0, size))
    latency = max(seconds for _, seconds, _ in tiny)
    return Times(rows, trained, one, None if apart else two, latency, reduce, idle, collect, notes)


@dataclass(frozen=True)
class Process:
    """The process itself, whose workers are threads."""

    specification: Specification
    table: pa.Table
    threads: int

    @contextmanager
    def workers(self, count: int) -> Iterator[Run]:
        """Return what runs the work of so many workers."""
        size = -(-self.table.num_rows // count)

        def run(work: TimingWork) -> list[tuple[float, float, int]]:
            works = [replace(work, first=rank * size) for rank in range(count)]
            addresses = [f"{_HOST}:{one.listen(_HOST)}" for one in works]
            token = secrets.token_bytes(32)

            def one(rank: int) -> tuple[float, float, int]:
                part = batches_read(self.specification, self.table.slice(rank * size, size))
                _, report = works[rank].run(part, rank, addresses, token, -1, None, self.threads)
                gradient, total, rows = json.loads(report)
                return gradient, total, rows

            with ThreadPoolExecutor(count) as pool:
                return list(pool.map(one, range(count)))

        yield run

    def collect(self, size: int) -> float:
        """Return the seconds of collecting over loopback."""
        return _over_loopback(size)


def times_on_table(
    specification: Specification, table: pa.Table, threads: int, max_rows: int, repeats: int
) -> Times:
    """Measure on at most so many rows of a table, with workers that are threads of this process."""
    rows = table.slice(0, max_rows)
    notes = ("all workers were threads of this process, and their network was loopback",)
    return measured(Process(specification, rows, threads), None, specification, rows.num_rows, repeats, notes)


def _over_loopback(size: int) -> float:
    """Return the seconds to receive so many bytes from each of two senders, one after the other, and to add them."""
    total = np.zeros(size // 4, np.float32)
    received = np.empty(size // 4, np.float32)
    view, data = received.view(np.uint8).data, bytes(size)
    with socket.create_server((_HOST, 0)) as server:
        server.settimeout(_SILENCE)

        def send() -> None:
            with socket.create_connection(server.getsockname()[:2], timeout=_SILENCE) as connection:
                connection.sendall(data)

        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            senders = [pool.submit(send) for _ in range(2)]
            for _ in senders:
                with server.accept()[0] as connection:
                    connection.settimeout(_SILENCE)
                    done = 0
                    while done < size and (count := connection.recv_into(view[done:])):
                        done += count
                total += received
            for sender in senders:
                sender.result()
        return time.perf_counter() - started
