"""Trainings with the native trainer itself: any network, any number of threads, workers that are threads of this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bench.ann.datasets import CLASSES, Rows, Split
from mmlrs import _native

#: The network of the benchmarks of Ulanov's ANN for Spark, with 12 million parameters, and a small one for quick runs.
LARGE = (784, 2500, 2000, 1500, 1000, 500, 10)
SMALL = (784, 250, 200, 10)
#: Seconds that a worker waits for another one.
PATIENCE = 120.0
HOST = "127.0.0.1"
COLUMNS = json.dumps(
    {
        "features": "features",
        "label": "label",
        "labels": "classes",
        "weight": None,
        "held_out": "held_out",
        "skips": False,
        "sized_by": "the last layer",
    }
)
SETTINGS: dict[str, Any] = {
    "solver": "adam",
    "iterations": 1,
    "tolerance": 0.0,
    "step_size": 0.001,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.0,
    "l2": 0.0,
    "batch_size": 128,
    "block_size": 1024,
    "schedule": {"kind": "constant"},
    "warm_up": 0.0,
    "seed": 0,
    "patience": 0,
    "validation_fraction": 0.0,
    "local_steps": 0,
    "outer_rate": None,
    "outer_momentum": None,
}

Layers = list[dict[str, Any]]


def described(shape: Sequence[int], layers: Layers) -> str:
    """Return the description of a classifier."""
    loss = {"kind": "cross_entropy", "smoothing": 0.0}
    return json.dumps({"version": 1, "input": list(shape), "layers": layers, "loss": loss})


def perceptron(sizes: Sequence[int], activation: str = "relu", dropout: float = 0.0) -> str:
    """Return the description of a network of fully connected layers."""
    layers: Layers = []
    for size in sizes[1:-1]:
        layers += [{"kind": "dense", "size": size}, {"kind": activation}]
        if dropout:
            layers.append({"kind": "dropout", "rate": dropout})
    return described(sizes[:1], [*layers, {"kind": "dense", "size": sizes[-1]}])


def convolutions(side: int, *, pools: int = 1, dense: int = 128, dropout: float = 0.0) -> str:
    """Return the description of two 3x3 convolutions of 32 and 64, a pool after the last or after both, and a dense layer."""
    layers: Layers = []
    for number, channels in enumerate((32, 64)):
        layers += [
            {"kind": "convolution", "channels": channels, "kernel": [3, 3], "padding": "same"},
            {"kind": "relu"},
        ]
        if number >= 2 - pools:
            layers.append({"kind": "max_pooling", "kernel": [2, 2]})
    layers += [{"kind": "flatten"}, {"kind": "dense", "size": dense}, {"kind": "relu"}]
    if dropout:
        layers.append({"kind": "dropout", "rate": dropout})
    return described([side, side, 1], [*layers, {"kind": "dense", "size": CLASSES}])


def batch_of(rows: Rows, held_out: bool = False) -> pa.RecordBatch:
    """Return rows as the trainer reads them."""
    features = pa.FixedSizeListArray.from_arrays(pa.array(rows.x.ravel()), rows.x.shape[1])
    names = ["features", "label", "held_out"]
    return pa.RecordBatch.from_arrays(
        [features, pa.array(rows.y), pa.array([held_out] * len(rows), pa.bool_())], names=names
    )


def unread(description: str, **settings: Any) -> _native.Trainer:
    """Return a trainer without rows."""
    return _native.Trainer("bench", description, json.dumps({**SETTINGS, **settings}), COLUMNS)


def read(made: _native.Trainer, rows: Rows, test: Rows | None = None) -> None:
    """Give a trainer its rows. Those of `test` are only measured, after each epoch."""
    made.add(batch_of(rows))
    if test is not None:
        made.add(batch_of(test, held_out=True))


def trainer(
    description: str, rows: Rows, *, threads: int = 1, test: Rows | None = None, **settings: Any
) -> _native.Trainer:
    """Return a trainer that has read its rows and is ready."""
    made = unread(description, **settings)
    read(made, rows, test)
    made.start(threads)
    return made


def run(made: _native.Trainer, iterations: int) -> list[dict[str, Any]]:
    """Run so many iterations or epochs, and return the lines of the history."""
    lines: list[dict[str, Any]] = json.loads(made.run(iterations))["lines"]
    return lines


@dataclass(frozen=True)
class Trained:
    """A history, and the trained parameters in single precision."""

    lines: list[dict[str, Any]]
    parameters: bytes

    @property
    def accuracy(self) -> float:
        """The share of the test rows whose class is right, in percent."""
        return 100.0 * float(self.lines[-1]["validation_metric"])

    @property
    def held_out(self) -> float:
        """The mean loss of the test rows."""
        return float(self.lines[-1]["validation_loss"])


def train(description: str, split: Split, *, threads: int = 0, **settings: Any) -> Trained:
    """Train to the end, on all cores by default. The validation of the history is that of the test rows."""
    made = trainer(description, split.train, threads=threads, test=split.test, **settings)
    lines = run(made, settings["iterations"])
    return Trained(lines, _native.read_network(made.network(description))[1])


class Group:
    """Workers that are threads of this process, exchange by TCP, and have each a part of the rows.

    Parameters
    ----------
    description : str
        The network.
    split : Split
        The rows. Those to test with are only measured, after each epoch.
    workers : int
        The number of workers.
    state : list of bytes, optional
        The state of another group, from which this one goes on.
    port : function, optional
        Returns the port at which others reach the worker that listens at a port; the same one by default.
    """

    def __init__(
        self,
        description: str,
        split: Split,
        workers: int,
        *,
        state: list[bytes] | None = None,
        port: Callable[[int], int] | None = None,
        **settings: Any,
    ) -> None:
        self._description = description
        self._pool = ThreadPoolExecutor(workers)
        listeners = [_native.Listener(HOST) for _ in range(workers)]
        ports = [port(listener.port) if port else listener.port for listener in listeners]
        addresses = [f"{HOST}:{number}" for number in ports]
        token = os.urandom(32)

        def started(rank: int) -> _native.Trainer:
            made = unread(description, **settings)
            made.connect(listeners[rank], rank, addresses, token, PATIENCE)
            own = slice(rank, None, workers)
            read(made, split.train[own], split.test[own])
            root = -1 if state is None else 0
            made.start(1, state=state if rank == root else None, root=root)
            return made

        self._trainers = list(self._pool.map(started, range(workers)))

    def run(self, iterations: int) -> list[dict[str, Any]]:
        """Run so many iterations or epochs, and return the lines of the history of the first worker."""
        first, *_ = self._pool.map(lambda made: run(made, iterations), self._trainers)
        return first

    def state(self) -> list[bytes]:
        """Return the state, from which another group can go on."""
        return self._trainers[0].state()

    def parameters(self) -> bytes:
        """Return the trained parameters in single precision."""
        return _native.read_network(self._trainers[0].network(self._description))[1]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()


def together(
    description: str, split: Split, workers: int, *, job: int | None = None, **settings: Any
) -> Trained:
    """Train to the end with a `Group`, or with a chain of groups, each of which does `job` iterations or epochs."""
    lines: list[dict[str, Any]] = []
    state: list[bytes] | None = None
    while len(lines) < settings["iterations"]:
        with closing(Group(description, split, workers, state=state, **settings)) as group:
            lines += group.run(job or settings["iterations"])
            state, parameters = group.state(), group.parameters()
    return Trained(lines, parameters)


def loss(description: str, parameters: bytes, rows: Rows) -> float:
    """Return the mean loss of rows: that of gradient descent before its only step."""
    made = unread(description, solver="gd")
    read(made, rows)
    made.start(0, parameters=parameters)
    return float(run(made, 1)[0]["loss"])
