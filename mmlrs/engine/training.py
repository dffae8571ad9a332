"""A training, and what a task of a barrier job does for it.

A worker imports this module instead of the estimators, whose dependencies would take memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from mmlrs import _native
from mmlrs.engine.barrier_task import State

__all__ = ["FULL_BATCH", "Specification", "TrainingWork"]

#: Solvers that read all rows in each step.
FULL_BATCH = ("l-bfgs", "gd")


@dataclass(frozen=True)
class Specification:
    """A training, as the native core reads it.

    Parameters
    ----------
    stage : str
        The estimator's class, which errors name.
    network, settings, columns : str
        JSON: the layers and the loss, the solver, and the columns.
    parameters : bytes, optional
        The initial parameters in single precision.
    checkpoints : str, optional
        The folder of the checkpoints on the driver.
    size : int
        Number of parameters of the network.
    part : str
        Which part of the estimator's work this is, for messages; empty if it is all.
    """

    stage: str
    network: str
    settings: str
    columns: str
    parameters: bytes | None = None
    checkpoints: str | None = None
    size: int = 0
    part: str = ""

    @property
    def title(self) -> str:
        """What messages about the whole training begin with."""
        return f"{self.stage}: {self.part}" if self.part else self.stage

    @property
    def read(self) -> list[str]:
        """The columns of the dataset that the training reads."""
        columns = json.loads(self.columns)
        named = (columns[role] for role in ("features", "label", "weight", "held_out"))
        return list(dict.fromkeys(name for name in named if name is not None))

    @property
    def iterations(self) -> int:
        """Maximum number of iterations or epochs."""
        count: int = json.loads(self.settings)["iterations"]
        return count

    @property
    def unit(self) -> str:
        """What an iteration is called."""
        return "iteration" if json.loads(self.settings)["solver"] in FULL_BATCH else "epoch"


@dataclass
class TrainingWork:
    """What a task does: it reads its rows, then takes steps together with its peers.

    Parameters
    ----------
    specification : Specification
        The training.
    iterations : int
        Maximum number of iterations or epochs of this job.
    seconds : float, optional
        The job starts no iteration after so many seconds.
    silence : float
        Seconds to wait for a peer.
    """

    specification: Specification
    iterations: int
    seconds: float | None = None
    silence: float = 120.0

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
        """Train, and return the new state and the lines of the history."""
        spec = self.specification
        trainer = _native.Trainer(spec.stage, spec.network, spec.settings, spec.columns)
        trainer.connect(self._listener, rank, addresses, token, self.silence)
        self._read(trainer, batches)
        pa.default_memory_pool().release_unused()  # the batches
        rows, held_out, skipped = trainer.start(
            threads, state=state, root=root, parameters=spec.parameters if root < 0 else None
        )
        result = json.loads(trainer.run(self.iterations, self.seconds))
        report = {"rows": rows, "held_out": held_out, "skipped": skipped}
        if rank == 0:
            report |= result
        return _state_of(trainer) if rank == 0 else None, json.dumps(report)

    def _read(self, trainer: _native.Trainer, batches: Iterator[pa.RecordBatch]) -> None:
        """Give a trainer its rows. No batch is alive afterwards."""
        for batch in batches:
            trainer.add(pa.RecordBatch.from_arrays(batch.columns, names=self.specification.read))


def _state_of(trainer: _native.Trainer) -> State:
    """Return the state of a training, of which one piece at a time is in memory a second time."""
    lengths = trainer.state_lengths()
    return State(sum(lengths), map(trainer.state_piece, range(len(lengths))))
