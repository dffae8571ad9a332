"""Training on Spark: the tasks of barrier jobs train together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmlrs import _native
from mmlrs.ann._driver import Counts, Outcome, train
from mmlrs.engine.barrier import Chain, default_workers
from mmlrs.engine.training import Specification, TrainingWork

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.engine.barrier_task import Chunk

__all__ = ["columns_sent", "train_on_spark"]

#: Seconds that a job should take. Starting one takes about a second.
_JOB_SECONDS = 15.0


class _Runner:
    """Runs the jobs of a training on Spark."""

    seconds = _JOB_SECONDS

    def __init__(self, specification: Specification, chain: Chain) -> None:
        self._specification, self._chain = specification, chain
        self._state: Sequence[Chunk] | None = None
        self._counts = Counts(0, 0, 0)
        self.workers = chain.workers

    def advance(self, iterations: int, seconds: float | None) -> str:
        """Run a job of so many iterations, or of as many as start within so many seconds."""
        spec = self._specification
        if self._state is not None:
            spec = replace(spec, parameters=None)
        self._state, reports = self._chain.run(TrainingWork(spec, iterations, seconds), self._state)
        self._counts = Counts(*(sum(report[name] for report in reports) for name in Counts._fields))
        return json.dumps(reports[0])

    def state(self) -> Sequence[Chunk] | None:
        """Return the state after the last job."""
        return self._state

    def restore(self, state: Sequence[Chunk] | None) -> None:
        """Return to a state."""
        self._state = state

    def counts(self) -> Counts:
        """Return the numbers of rows of all workers."""
        return self._counts

    def data(self) -> Any:
        """Return the number of rows, and the sum of their hashes, which does not depend on their order."""
        from pyspark.sql import functions as F

        names = [f"c{i}" for i in range(len(self._specification.read))]
        row = self._chain.summary(F.sum(F.xxhash64(*names).cast("decimal(20,0)")).alias("hashes"))
        return {"rows": self._chain.rows, "hashes": str(row["hashes"])}

    def network(self) -> bytes:
        """Return the trained network as a file."""
        assert self._state is not None, "there was a job"
        spec = self._specification
        return _native.network_of_state(spec.network, spec.settings, map(bytes, self._state))


def _column(df: DataFrame, name: str, alias: str) -> Column:
    """Return a column in the form that crosses to Python fastest, under another name."""
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted, vectors_as_lists

    kind = df.schema[name].dataType
    column = F.col(quoted(name))
    if kind.typeName() == "vectorudt" or type(kind).__name__ == "VectorUDT":
        column = vectors_as_lists(column, "float32")
    return column.alias(alias)


def columns_sent(specification: Specification, df: DataFrame) -> list[Column]:
    """Return the columns of a DataFrame that a training reads, in the order of `specification.read`."""
    return [_column(df, name, f"c{i}") for i, name in enumerate(specification.read)]


def train_on_spark(specification: Specification, df: DataFrame, workers: int = 0) -> Outcome:
    """Train on the rows of a DataFrame, with so many tasks; 0 uses as many as run at the same time."""
    count = workers or default_workers(df)
    with Chain(df, columns_sent(specification, df), count, owner=specification.stage) as chain:
        return train(specification, _Runner(specification, chain))
