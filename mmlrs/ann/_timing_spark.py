"""What the estimate of workers measures, in the tasks of Spark jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs.ann._spark import columns_sent
from mmlrs.ann._timing import FUNCTION, Process, Run, Times, measured
from mmlrs.engine.barrier import Chain
from mmlrs.engine.barrier_task import CHUNK_BYTES
from mmlrs.engine.sent import Sent
from mmlrs.engine.slots import slots
from mmlrs.engine.training import Specification
from mmlrs.engine.versions import table_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["times_on_spark"]


class _Gradients:
    """A function for `mapInArrow` that returns rows of so many bytes in all."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        for _ in batches:
            pass
        for start in range(0, self._size, CHUNK_BYTES):
            count = min(CHUNK_BYTES, self._size - start)
            yield pa.record_batch({"data": pa.array([bytes(count)], pa.binary())})


@dataclass(frozen=True)
class _Cluster:
    """The executors of a Spark session."""

    df: DataFrame
    columns: list[Any]

    @contextmanager
    def workers(self, count: int) -> Iterator[Run]:
        """Return what runs the work of so many workers."""
        with Chain(self.df, self.columns, count, owner=FUNCTION) as chain:
            yield lambda work: [tuple(report) for report in chain.run(work)[1]]

    def collect(self, size: int) -> float:
        """Return the seconds of a job that collects so many bytes from each of two tasks."""
        session = self.df.sparkSession
        started = time.perf_counter()
        table = table_of(session.range(0, 2, 1, 2).mapInArrow(Sent(_Gradients(size)), "data binary"))
        total = np.zeros(2 * size // 8, np.float32)
        for cell in table["data"]:
            part = np.frombuffer(cell.as_buffer(), np.float32)
            total[: len(part)] += part
        return time.perf_counter() - started


def times_on_spark(
    specification: Specification, df: DataFrame, max_rows: int, repeats: int
) -> tuple[Times, int]:
    """Measure on at most so many rows of a DataFrame, with barrier jobs. Return the times, and the number of all rows."""
    columns = columns_sent(specification, df)
    total = df.count()
    rows = df if total <= max_rows else df.limit(max_rows)
    apart = None
    notes: tuple[str, ...] = ("two tasks of this cluster took part in the sums",)
    if slots(df.sparkSession) < 2:
        sample = table_of(rows.select(*columns).limit(2)).rename_columns(specification.read)
        apart = Process(specification, sample, 1)
        notes = (
            "the cluster runs one task at a time, so the sums were measured in this process, over loopback",
        )
    cluster = _Cluster(rows, columns)
    return measured(cluster, apart, specification, min(total, max_rows), repeats, notes), total
