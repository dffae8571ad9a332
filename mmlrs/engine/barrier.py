"""Chains of barrier jobs: many iterations in each job, and a state that goes in and comes back.

Spark starts the tasks of a barrier job together, and they exchange gradients among themselves. Spark never repeats such a job: if a
task is lost, the job fails. So the driver holds the state between the jobs, and runs a failed job again from the state before it. A
result is taken whole or not at all, so nothing is counted twice.

The state takes one of three ways into a job. A small one is part of the function. A large one is usually still a file of the executor
that computed it, and the task there sends it to its peers. Otherwise (at the beginning, or if that executor is lost) the driver
sends it as a file, in pieces of 32 KB on Spark Connect, whose messages are limited to 128 MiB. In no case does a worker hold
it twice.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.errors import AnalysisException, PySparkException

from mmlrs._warnings import warn
from mmlrs.engine.artifacts import INLINE_BYTES, empty_file, send_chunks
from mmlrs.engine.barrier_task import (
    ROWS,
    BarrierTask,
    Chunk,
    Forget,
    PeerLostError,
    StateSource,
    Work,
    pieces_of,
    size_of,
)
from mmlrs.engine.causes import carried, cause_of
from mmlrs.engine.sent import Sent
from mmlrs.engine.slots import check_slots, slots
from mmlrs.engine.tags import cancelling
from mmlrs.engine.versions import table_of
from mmlrs.errors import DecodeError, ExecutionError, LimitExceededError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from typing_extensions import Self

__all__ = ["RETRIES", "SILENCE", "Chain", "default_workers"]

#: Maximum number of times that a failed job is run again.
RETRIES = 3
#: Seconds that a task waits for its peers.
SILENCE = 120.0

#: What Spark says of a worker process that died. With faulthandler, its stack follows.
_CRASHED = "Python worker exited unexpectedly"
#: What Spark says of lost workers and executors, after more general lines.
_LOST = (_CRASHED, "ExecutorLostFailure", "Failed to connect to", "FetchFailed")
#: What Spark and Spark Connect say of a job that someone cancelled.
_CANCELLED = ("SPARK_JOB_CANCELLED", "OPERATION_CANCELED", "cancelled part of cancelled job", "JOB_CANCELLED")
_TRACE = "Traceback (most recent call last)"


def default_workers(df: DataFrame) -> int:
    """Return the number of tasks of a chain over a DataFrame: as many as can run at the same time, at least 1."""
    return slots(df.sparkSession)


@dataclass
class _Kept:
    """The last state that was returned, if an executor has it as a file."""

    state: Sequence[Chunk]
    name: str


class Chain:
    """Barrier jobs over the same rows, one after the other. Use it as a context manager, which caches the rows.

    Parameters
    ----------
    df : DataFrame
        The rows. They are divided evenly among the workers and cached in memory, or else on disk. Rows that are cached already are
        cached a second time, because a barrier job has one task for each partition.
    columns : sequence of Column or str
        The columns that the work reads.
    workers : int
        Number of tasks. Some get no rows if there are fewer rows.
    owner : str
        The stage that errors name.
    silence : float, default 120
        Seconds that a task waits for its peers at the beginning.
    retries : int, default 3
        How many times a failed job is run again.

    Attributes
    ----------
    rows : int
        Number of rows, inside the context.
    """

    def __init__(
        self,
        df: DataFrame,
        columns: Sequence[Column | str],
        workers: int,
        *,
        owner: str,
        silence: float = SILENCE,
        retries: int = RETRIES,
    ) -> None:
        self.df = df
        self.columns = columns
        self.workers = workers
        self.owner = owner
        self.silence = silence
        self.retries = retries
        self.rows = 0
        self._session = df.sparkSession
        self._name = f"mmlrs-state-{secrets.token_hex(16)}-"
        self._numbers = itertools.count()
        self._kept: _Kept | None = None
        self._files = False
        self._data: Any = None

    def __enter__(self) -> Self:
        """Check that the jobs can run, and cache the rows.

        Raises
        ------
        InvalidParamError
            The cluster cannot run so many tasks at the same time.
        DecodeError
            There are no rows.
        """
        check_slots(self._session, self.workers, self.owner, self.silence)
        data = self.df.select(*self.columns).repartition(self.workers)
        self._data = data.persist(StorageLevel.MEMORY_AND_DISK)
        try:
            with cancelling(self._session):
                self.rows = self._data.count()  # what is wrong with the rows is known before the first job
            if not self.rows:
                raise DecodeError(f"{self.owner}: the dataset has no rows")
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the files of the state from the executors, and the rows from the cache."""
        try:
            if self._files:
                with contextlib.suppress(Exception):  # Spark removes them with the application at the latest
                    # These tasks run where the rows are cached, which is where the tasks of the jobs ran.
                    self._data.mapInArrow(Sent(Forget(self._name)), "id long").collect()
        finally:
            self._release()

    def _release(self) -> None:
        self._kept = None
        with contextlib.suppress(Exception):  # the session may be gone
            self._data.unpersist()

    def summary(self, *columns: Column) -> Any:
        """Return the row of some aggregates of the cached rows."""
        with cancelling(self._session):
            return self._data.agg(*columns).first()

    def run(self, work: Work, state: Sequence[Chunk] | None = None) -> tuple[list[memoryview], list[Any]]:
        """Run one job; return the new state, and the reports of the tasks in the order of their ranks.

        Passing the state that the job before returned, the same object, saves sending it. A job whose worker, executor or
        connection is lost is run again from the same state, with a warning.

        Raises
        ------
        MmlrsError
            The work raised it in a worker; it is not run again.
        ExecutionError
            The work failed with another error, or the job failed too often.
        LimitExceededError
            The new state is larger than `spark.driver.maxResultSize`.
        """
        sent: list[str] = []
        attempt = 0
        try:
            source = self._source(state, sent)
            while True:
                try:
                    rows = self._job(work, source)
                except Exception as error:  # noqa: BLE001 - Spark and py4j have many
                    attempt += 1
                    self._files = True  # perhaps
                    self._warn_or_raise(error, attempt)
                    continue
                if rows is not None:
                    return rows
                assert state is not None, "only a state can be missing"
                if len(sent) > self.retries:
                    raise ExecutionError(
                        f"{self.owner}: a state was sent {len(sent)} times, and no worker finds it"
                    )
                source = self._send(state, sent)
        finally:
            for name in sent:
                empty_file(self._session, name)

    def _source(self, state: Sequence[Chunk] | None, sent: list[str]) -> StateSource | None:
        """Return how the state gets into the next job, after sending it if no executor has it."""
        if state is None:
            return None
        if size_of(state) <= INLINE_BYTES:
            return StateSource(_lengths(state), tuple(bytes(piece) for piece in pieces_of(state)), "")
        if self._kept is not None and self._kept.state is state:
            return StateSource(_lengths(state), None, self._kept.name)
        return self._send(state, sent)

    def _send(self, state: Sequence[Chunk], sent: list[str]) -> StateSource:
        """Send a state to the nodes as a file, whose name is added to `sent`."""
        name = f"{self._name}{next(self._numbers)}"
        self._files = True
        sent.append(name)
        send_chunks(self._session, name, pieces_of(state))
        return StateSource(_lengths(state), None, name)

    def _job(self, work: Work, source: StateSource | None) -> tuple[list[memoryview], list[Any]] | None:
        """Run one attempt; return the result, or None if no node has the state."""
        keep = f"{self._name}{next(self._numbers)}"
        task = BarrierTask(
            work,
            source,
            secrets.token_bytes(32),
            chain=self._name,
            keep=keep,
            keep_from=INLINE_BYTES,
            silence=self.silence,
        )
        with cancelling(self._session):
            table = table_of(self._data.mapInArrow(Sent(task), ROWS, barrier=True))
        return self._result(table, keep)

    def _result(self, table: pa.Table, keep: str) -> tuple[list[memoryview], list[Any]] | None:
        """Return the state and the reports of a result, after checking that it is complete."""
        kinds = table["kind"].to_pylist()
        if "missing" in kinds:
            return None
        cells = list(table["data"])
        state = [memoryview(c.as_buffer()) for c, kind in zip(cells, kinds, strict=True) if kind == "state"]
        reports = {
            rank: json.loads(c.as_py())
            for rank, c, kind in zip(table["rank"].to_pylist(), cells, kinds, strict=True)
            if kind == "report"
        }
        size = sum(report["bytes"] for report in reports.values())
        if sorted(reports) != list(range(self.workers)) or size != sum(map(len, state)):
            raise ExecutionError(
                f"{self.owner}: the result of a job is incomplete: {len(reports)} of {self.workers} reports, "
                f"{sum(map(len, state)):,} of {size:,} bytes"
            )
        self._kept = _Kept(state, keep) if reports[0]["kept"] else None
        self._files = self._files or self._kept is not None
        return state, [json.loads(reports[rank]["report"]) for rank in range(self.workers)]

    def _warn_or_raise(self, error: Exception, attempt: int) -> None:
        """Warn that the job is run again, or raise an error of which that would be no cure."""
        final = self._final(error)
        if final is error:
            raise error
        if final is not None:
            raise final from None
        reason = _reason(error)
        if attempt > self.retries:
            raise ExecutionError(
                f"{self.owner}: a job failed for the last time (attempt {attempt} of {self.retries + 1}): {reason}"
            ) from error
        warn(
            f"{self.owner}: a job failed and is run again from its beginning ({attempt} of at most {self.retries} times): {reason}"
        )

    def _final(self, error: Exception) -> Exception | None:
        """Return the error for the user, or None if another attempt may succeed."""
        text = str(error)
        if not _is_of_job(error) or any(mark in text for mark in _CANCELLED):
            return error
        if "spark.driver.maxResultSize" in text:
            return LimitExceededError(
                f"{self.owner}: the state of the training exceeds what Spark sends to the driver; start the session with a larger "
                "spark.driver.maxResultSize"
            )
        if _TRACE not in text or _CRASHED in text:
            return None
        cause = cause_of(error)
        if cause.startswith(f"{PeerLostError.__name__}: "):
            return None
        return carried(error) or ExecutionError(f"{self.owner}: failed in a worker: {cause}")


def _lengths(state: Sequence[Chunk]) -> tuple[int, ...]:
    """Return the number of bytes of each piece of a state."""
    return tuple(map(len, pieces_of(state)))


def _reason(error: Exception) -> str:
    """Return why a job failed, in one line."""
    text = str(error)
    if _TRACE not in text:
        for line in text.splitlines():
            if any(mark in line for mark in _LOST):
                return line.strip().removeprefix("Caused by: ")[:500]
    return cause_of(error)[:500]


def _is_of_job(error: Exception) -> bool:
    """Return whether a job failed, rather than its preparation on this machine or in Spark's analyzer."""
    # The module of Connect's errors imports grpc, which a classic session need not have.
    kind = type(error)
    of_spark = (
        kind.__module__.startswith("pyspark.errors.exceptions.")
        and kind.__module__ != PySparkException.__module__
    )
    return (of_spark and not isinstance(error, AnalysisException)) or kind.__name__ == "Py4JJavaError"
