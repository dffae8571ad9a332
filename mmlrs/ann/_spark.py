"""Training on Spark: the tasks of barrier jobs train together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.ann._driver import Counts, Outcome, train
from mmlrs.ann._specification import Specification
from mmlrs.ann._targets import check_targets
from mmlrs.engine.barrier import SILENCE, Chain, default_workers

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from mmlrs.engine.barrier_task import Chunk

__all__ = ["columns_sent", "train_on_spark"]

#: Seconds that a job should take. Starting one takes about a second.
_JOB_SECONDS = 15.0


@dataclass
class TrainingWork:
    """What a task does: it reads its rows, then takes steps together with its peers.

    Parameters
    ----------
    specification : Specification
        The training.
    iterations : int
        Number of iterations or epochs of this job.
    silence : float
        Seconds to wait for a peer.
    """

    specification: Specification
    iterations: int
    silence: float = SILENCE

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
    ) -> tuple[Sequence[Chunk] | None, str]:
        """Train, and return the new state and the lines of the history."""
        spec = self.specification
        trainer = _native.Trainer(spec.stage, spec.network, spec.settings, spec.columns)
        trainer.connect(self._listener, rank, addresses, token, self.silence)
        for batch in batches:
            read = pa.RecordBatch.from_arrays(batch.columns, names=spec.read)
            trainer.add(read)
            check_targets(spec, read)
        rows, held_out, skipped = trainer.start(
            threads, state=state, root=root, parameters=spec.parameters if root < 0 else None
        )
        result = json.loads(trainer.run(self.iterations))
        report = {**result, "rows": rows, "held_out": held_out, "skipped": skipped}
        return trainer.state() if rank == 0 else None, json.dumps(report)


class _Runner:
    """Runs the jobs of a training on Spark."""

    seconds = _JOB_SECONDS

    def __init__(self, specification: Specification, chain: Chain) -> None:
        self._specification, self._chain = specification, chain
        self._state: Sequence[Chunk] | None = None
        self._counts = Counts(0, 0, 0)
        self.workers = chain.workers

    def advance(self, iterations: int) -> str:
        """Run a job of so many iterations."""
        spec = self._specification
        if self._state is not None:
            spec = replace(spec, parameters=None)
        self._state, reports = self._chain.run(TrainingWork(spec, iterations), self._state)
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
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    from mmlrs.engine.spark import quoted

    kind = df.schema[name].dataType
    column = F.col(quoted(name))
    if kind.typeName() == "vectorudt" or type(kind).__name__ == "VectorUDT":
        column = vector_to_array(column, "float32")
    return column.alias(alias)


def columns_sent(specification: Specification, df: DataFrame) -> list[Column]:
    """Return the columns of a DataFrame that a training reads, in the order of `specification.read`."""
    return [_column(df, name, f"c{i}") for i, name in enumerate(specification.read)]


def train_on_spark(specification: Specification, df: DataFrame, workers: int = 0) -> Outcome:
    """Train on the rows of a DataFrame, with so many tasks; 0 uses as many as run at the same time."""
    count = workers or default_workers(df)
    with Chain(df, columns_sent(specification, df), count, owner=specification.stage) as chain:
        return train(specification, _Runner(specification, chain))
