"""What the tests of trainings share: small data, a small network, and a driver that ends in the middle."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import cloudpickle

from mmlrs.ann import MultilayerPerceptronClassifier, _driver
from mmlrs.engine.training import TrainingWork

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers do not find the tests

ROWS = 120


class Broken(BaseException):
    """Ends a driver as a kill would: nothing handles it."""


def classes(rows: int = ROWS) -> pa.Table:
    """Two classes that a plane does not separate."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 3)).astype("f4")
    label = (x[:, 0] * x[:, 1] > 0).astype("i8")
    features = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 3)
    return pa.table({"features": features, "label": label})


def frame(spark: Any, table: pa.Table | None = None) -> Any:
    """The same on Spark, in three partitions."""
    table = classes() if table is None else table
    kinds = {
        "list": "array<float>",
        "float": "float",
        "double": "double",
        "int64": "bigint",
        "bool": "boolean",
    }
    schema = ", ".join(
        f"`{field.name}` {kinds['list' if pa.types.is_fixed_size_list(field.type) else str(field.type)]}"
        for field in table.schema
    )
    rows = [tuple(row.values()) for row in table.to_pylist()]
    return spark.createDataFrame(spark.sparkContext.parallelize(rows, 3), schema)


def network(**params: Any) -> MultilayerPerceptronClassifier:
    return MultilayerPerceptronClassifier(
        **{"layers": [3, 4, 2], "batchSize": 30, "seed": 5, "tol": 0.0, **params}
    )


def is_same(first: Any, second: Any) -> bool:
    """Whether two models have equal weights and an equal history, except for times."""
    columns = ["iteration", "loss", "validation_loss", "validation_metric", "step_size"]
    histories = [model.history.select(columns) for model in (first, second)]
    return histories[0].equals(histories[1]) and bool(np.array_equal(first.weights, second.weights))


def stopping(monkeypatch: Any, jobs: int) -> None:
    """Make the driver end after so many jobs."""
    run, done = _driver._Training.job, []

    def job(training: Any, seconds: float) -> Any:
        if len(done) == jobs:
            raise Broken
        done.append(seconds)
        return run(training, seconds)

    monkeypatch.setattr(_driver._Training, "job", job)


@dataclass
class Disturbed(TrainingWork):
    """Training with a fault in the second job: a worker trains for one iteration, and then something happens to it.

    Its peer is then in the middle of its work.
    """

    flag: str = ""  # a file that notes each time that it happens
    times: int = 1

    def run(
        self, batches: Any, rank: int, addresses: Any, token: bytes, root: int, state: Any, threads: int
    ) -> Any:
        """Train."""
        if root < 0 or rank == 0 or not self._first():
            return super().run(batches, rank, addresses, token, root, state, threads)
        short = replace(self, iterations=1)
        short._listener = self._listener
        TrainingWork.run(short, batches, rank, addresses, token, root, state, threads)
        self.happen()
        return None

    def _first(self) -> bool:
        with open(self.flag, "a+") as file:
            file.write("x")
            return file.tell() <= self.times

    def happen(self) -> None:
        """Do what the test is about."""


class Killed(Disturbed):
    """The worker process is killed."""

    def happen(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class ExecutorKilled(Disturbed):
    """The executor is killed: the process whose child is the daemon of the workers."""

    def happen(self) -> None:
        with open(f"/proc/{os.getppid()}/stat") as file:
            executor = int(file.read().rpartition(")")[2].split()[1])
        os.kill(executor, signal.SIGKILL)
        time.sleep(600)


class Hanging(Disturbed):
    """The worker hangs."""

    def happen(self) -> None:
        time.sleep(600)


class Waiting(Disturbed):
    """A worker hangs in the first job, in each attempt."""

    times = 1 << 30

    def run(self, batches: Any, rank: int, *more: Any) -> Any:
        """Hang."""
        self._first()
        time.sleep(600)
