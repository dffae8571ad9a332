"""Measured runs, and the tables of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Literal

__all__ = ["Kind", "Run", "Task", "write_runs", "write_tasks"]

#: "first" is the first job of an application, which starts the Python workers and sends them the model; "warm" is any later one.
#: "read" reads the files and discards them.
Kind = Literal["first", "warm", "read"]


@dataclass(frozen=True)
class Task:
    """One task of a job, as Spark's event log has it."""

    executor: str
    #: Files that it read.
    pictures: int
    #: When it was launched and when it was finished, in seconds since the job was submitted.
    launched: float
    finished: float

    @property
    def seconds(self) -> float:
        """Return how long it took, as the driver sees it."""
        return self.finished - self.launched


@dataclass(frozen=True)
class Run:
    """One job, and its tasks."""

    kind: Kind
    executors: int
    #: Cores of an executor.
    cores: int
    #: Applications of this kind that ran at the same time.
    together: int
    repeat: int
    pictures: int
    bytes: int
    #: Wall time of the job in seconds, as the driver sees it, without listing the files.
    seconds: float
    tasks: tuple[Task, ...] = field(repr=False, default=())
    #: Attempts of tasks that failed. Spark repeated them.
    failures: int = 0

    @property
    def slots(self) -> int:
        """Return how many tasks run at once."""
        return self.executors * self.cores

    @property
    def rate(self) -> float:
        """Return pictures per second."""
        return self.pictures / self.seconds

    @property
    def span(self) -> float:
        """Return the seconds from the first launch of a task to the last finish."""
        return max(task.finished for task in self.tasks) - min(task.launched for task in self.tasks)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Run:
        """Return the run of plain data."""
        return cls(**{**stored, "tasks": tuple(Task(**task) for task in stored["tasks"])})


def write_runs(path: Path, runs: Iterable[Run]) -> None:
    """Write a line per run."""
    rows = [
        {
            "kind": run.kind,
            "executors": run.executors,
            "cores": run.cores,
            "together": run.together,
            "repeat": run.repeat,
            "pictures": run.pictures,
            "bytes": run.bytes,
            "seconds": f"{run.seconds:.4f}",
            "pictures_per_second": f"{run.rate:.3f}",
            "tasks": len(run.tasks),
            "mean_task_seconds": f"{mean(task.seconds for task in run.tasks):.4f}" if run.tasks else "",
            "failed_attempts": run.failures,
        }
        for run in runs
    ]
    _write(path, rows)


def write_tasks(path: Path, runs: Iterable[Run]) -> None:
    """Write a line per task. `run` counts the lines of the table of runs, from 1."""
    rows = [
        {
            "run": number,
            "executor": task.executor,
            "pictures": task.pictures,
            "launched": f"{task.launched:.3f}",
            "seconds": f"{task.seconds:.3f}",
        }
        for number, run in enumerate(runs, 1)
        for task in run.tasks
    ]
    _write(path, rows)


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
