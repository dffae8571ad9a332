"""Training on a table, on all cores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa

from mmlrs import _native
from mmlrs.ann._driver import Counts, Outcome, train
from mmlrs.engine.frames import refuse_aside
from mmlrs.engine.select import crossing
from mmlrs.engine.table import FIT_ROWS, batches_of, interruptible
from mmlrs.engine.training import Specification
from mmlrs.errors import DecodeError

__all__ = ["batches_read", "train_on_table"]


def batches_read(specification: Specification, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table as the native trainer reads them."""
    for name in specification.read:
        refuse_aside(specification.stage, table.schema.field(name))
    for batch in batches_of(table.select(specification.read), FIT_ROWS):
        yield pa.RecordBatch.from_arrays([crossing(c) for c in batch.columns], schema=batch.schema)


#: Seconds that a job should take.
_JOB_SECONDS = 2.0


class _Runner:
    """Runs the jobs of a training in this process."""

    seconds = _JOB_SECONDS
    workers = 1

    def __init__(self, specification: Specification, table: pa.Table) -> None:
        if not table.num_rows:
            raise DecodeError(f"{specification.stage}: the dataset has no rows")
        self._checksum = partial(_checksum, table.select(specification.read))
        self._network, self._watched = specification.network, interruptible()
        self._trainer = _native.Trainer(
            specification.stage, specification.network, specification.settings, specification.columns
        )
        first = 0
        for batch in batches_read(specification, table):
            self._trainer.add(batch, first=first)
            first += batch.num_rows
        self._counts = Counts(
            *self._trainer.start(0, parameters=specification.parameters, interruptible=self._watched)
        )

    def advance(self, iterations: int, seconds: float | None) -> str:
        """Run so many iterations, or as many as start within so many seconds."""
        return self._trainer.run(iterations, seconds, interruptible=self._watched)

    def state(self) -> list[bytes]:
        """Return the state after the last job."""
        return self._trainer.state()

    def restore(self, state: Any) -> None:
        """Return to a state."""
        self._trainer.restore(state)

    def counts(self) -> Counts:
        """Return the numbers of rows."""
        return self._counts

    def data(self) -> Any:
        """Return the checksum of the columns that are read."""
        return self._checksum()

    def network(self) -> bytes:
        """Return the trained network as a file."""
        return self._trainer.network(self._network)


def train_on_table(specification: Specification, table: pa.Table) -> Outcome:
    """Train on the rows of a table."""
    return train(specification, _Runner(specification, table))


def _checksum(table: pa.Table) -> str:
    """Return a checksum of the content of a table, however it is divided into chunks."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(str(table.schema.remove_metadata()).encode())
    for start in range(0, table.num_rows, FIT_ROWS):
        for batch in table.slice(start, FIT_ROWS).combine_chunks().to_batches():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, batch.schema.remove_metadata()) as writer:
                writer.write_batch(batch.replace_schema_metadata())
            digest.update(sink.getvalue())
    return digest.hexdigest()
