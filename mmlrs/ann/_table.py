"""Training on a table, on all cores."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mmlrs import _native
from mmlrs.ann._driver import Outcome, train
from mmlrs.ann._specification import Specification
from mmlrs.engine.frames import refuse_aside
from mmlrs.engine.select import crossing
from mmlrs.engine.table import FIT_ROWS, batches_of, interruptible

__all__ = ["batches_read", "train_on_table"]


def batches_read(specification: Specification, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a table as the native trainer reads them."""
    for name in specification.read:
        refuse_aside(specification.stage, table.schema.field(name))
    for batch in batches_of(table.select(specification.read), FIT_ROWS):
        yield pa.RecordBatch.from_arrays([crossing(c) for c in batch.columns], schema=batch.schema)


class _Runner:
    """Runs the jobs of a training in this process."""

    seconds = 2.0

    def __init__(self, specification: Specification, table: pa.Table) -> None:
        self._network, self._watched = specification.network, interruptible()
        self._trainer = _native.Trainer(
            specification.stage, specification.network, specification.settings, specification.columns
        )
        first = 0
        for batch in batches_read(specification, table):
            self._trainer.add(batch, first=first)
            first += batch.num_rows
        self.rows, self.held_out, self.skipped = self._trainer.start(
            0, parameters=specification.parameters, interruptible=self._watched
        )
        self._before: list[bytes] = []

    def advance(self, iterations: int) -> str:
        """Run so many iterations."""
        self._before = self._trainer.state()
        return self._trainer.run(iterations, interruptible=self._watched)

    def rewind(self, iterations: int) -> None:
        """Return to the state before the last job, and run so many iterations."""
        self._trainer.restore(self._before)
        self._trainer.run(iterations, interruptible=self._watched)

    def network(self) -> bytes:
        """Return the trained network as a file."""
        return self._trainer.network(self._network)


def train_on_table(specification: Specification, table: pa.Table) -> Outcome:
    """Train on the rows of a table."""
    return train(specification, _Runner(specification, table))
