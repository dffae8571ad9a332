"""Two processes, each with a trainer on one thread: alone, or connected by TCP."""

from __future__ import annotations

import json
import multiprocessing
import os
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from bench.ann import direct
from bench.ann.datasets import Rows
from bench.measure import seconds
from mmlrs import _native

PROCESSES = 2
#: Number of iterations that a trainer can do.
MANY = 10**6


def work(pipe: Connection, rank: int, description: str, rows: Rows) -> None:
    """Run one process: make both trainers, then carry out each command from the pipe, and send back its result."""
    listener = _native.Listener(direct.HOST)
    pipe.send(listener.port)
    ports, token = pipe.recv()
    settings: dict[str, Any] = {"solver": "gd", "iterations": MANY, "step_size": 0.01}
    alone: Any = direct.trainer(description, rows, **settings)
    connected: Any = direct.unread(description, **settings)
    addresses = [f"{direct.HOST}:{port}" for port in ports]
    connected.connect(listener, rank, addresses, token, direct.PATIENCE)
    direct.read(connected, rows)
    connected.start(1)
    while (command := pipe.recv()) is not None:
        what, count = command
        if what == "alone":
            pipe.send(seconds(lambda count=count: alone.run(count)))  # type: ignore[misc]
        elif what == "together":
            pipe.send(seconds(lambda count=count: connected.run(count)))  # type: ignore[misc]
        else:
            pipe.send(connected.time(0, count)[1] * count)


class Pair:
    """Two processes, each with half of the rows in memory."""

    def __init__(self, description: str, rows: Rows) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Any] = []
        self._processes = []
        for rank in range(PROCESSES):
            here, there = context.Pipe()
            process = context.Process(
                target=work, args=(there, rank, description, rows[rank::PROCESSES]), daemon=True
            )
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)
        ports = [pipe.recv() for pipe in self._pipes]
        token = os.urandom(32)
        for pipe in self._pipes:
            pipe.send((ports, token))

    def _all(self, what: str, count: int) -> list[float]:
        for pipe in self._pipes:
            pipe.send((what, count))
        return [pipe.recv() / count for pipe in self._pipes]

    def alone(self, iterations: int) -> list[float]:
        """Return the seconds of an iteration of each process, both at the same time and without the other."""
        return self._all("alone", iterations)

    def together(self, iterations: int) -> float:
        """Return the seconds of an iteration of both together."""
        return max(self._all("together", iterations))

    def sum(self, repeats: int) -> float:
        """Return the seconds of a sum of a vector of the length of the parameters."""
        return max(self._all("sum", repeats))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(timeout=10)


def parameters(description: str) -> int:
    """Return the number of parameters of a network."""
    count: int = json.loads(_native.network_info(description))["parameters"]
    return count
