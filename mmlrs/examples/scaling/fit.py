"""Fits the model to the runs of the fewest executors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from mmlrs.errors import InvalidParamError
from mmlrs.examples.scaling.least_squares import Floats, non_negative
from mmlrs.examples.scaling.model import Costs, ScalingModel
from mmlrs.examples.scaling.runs import Run, Task

__all__ = ["fit"]

#: Resampled measurements that are fitted for the intervals.
_SAMPLES = 200


def fit(
    runs: Sequence[Run],
    *,
    tasks_per_slot: int = 4,
    listing: float = 0.0,
    model_bytes: int = 0,
    origin: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> ScalingModel:
    """Fit the model to the runs of the fewest executors. Other numbers of executors are not looked at.

    Parameters
    ----------
    runs : sequence of Run
        What `measure` returns.
    tasks_per_slot : int, default 4
        That of the request.
    listing : float, default 0.0
        Seconds to list a picture, as `measure` returns it.
    model_bytes : int, default 0
        Size of the network.
    origin : mapping, optional
        What to note beside the sizes and the number of executors.
    seed : int, default 0
        Of the resampling.

    Returns
    -------
    ScalingModel
        The model.

    Raises
    ------
    InvalidParamError
        There are fewer than two sizes.

    Notes
    -----
    The tasks' times give the cost of a task and of a picture, and the spread. What a job takes beyond the time from its first
    launch to its last task's end gives its fixed cost and that of planning a picture. Both fits are least squares of relative errors
    without negative terms, as in Ernest (Venkataraman et al., NSDI 2016). For the intervals, the runs of each size are resampled 200
    times.

    Examples
    --------
    >>> from mmlrs.examples.scaling import Run, Task, fit
    >>> def run(pictures):
    ...     task = Task("0", pictures, 0.1, 0.1 + 0.05 + 0.01 * pictures)
    ...     return Run("warm", 1, 1, 1, 0, pictures, 1000 * pictures, task.finished + 0.1, (task,))
    >>> model = fit([run(100), run(200)], tasks_per_slot=1)
    >>> round(model.costs.fixed, 3), round(model.costs.task, 3), round(model.costs.compute, 3)
    (0.2, 0.05, 0.01)
    """
    least = min((run.executors for run in runs), default=0)
    ours = [run for run in runs if run.executors == least]
    warm = [run for run in ours if run.kind == "warm" and run.together == 1]
    sizes = sorted({run.pictures for run in warm})
    if len(sizes) < 2:
        raise InvalidParamError(
            f"scaling: param `runs` must have at least two sizes of {least} executor(s), got {sizes}; one size cannot tell the fixed "
            "cost from the cost of a picture"
        )
    rng = np.random.default_rng(seed)
    costs = _costs(ours, listing)
    samples = tuple(_costs(_resampled(ours, rng), listing) for _ in range(_SAMPLES))
    bytes_of = sum(run.bytes for run in warm) / sum(run.pictures for run in warm)
    noted = {**(origin or {}), "executors": least, "sizes": sizes}
    return ScalingModel(costs, samples, warm[0].cores, tasks_per_slot, model_bytes, bytes_of, noted)


def _resampled(runs: Sequence[Run], rng: np.random.Generator) -> list[Run]:
    """Return as many runs of each kind and size, drawn with replacement."""
    groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.kind, run.together, run.pictures].append(run)
    return [group[i] for group in groups.values() for i in rng.integers(0, len(group), len(group))]


def _costs(runs: Sequence[Run], listing: float) -> Costs:
    alone = [run for run in runs if run.together == 1]
    warm = [run for run in alone if run.kind == "warm"]
    per_task, per_picture = _line(_pairs(warm))
    fitted, actual = _fitted(warm, per_task, per_picture)
    spread = float(np.std(np.log(actual / fitted)))
    beyond = np.array([[run.pictures, max(0.0, run.seconds - run.span)] for run in warm])
    # Relative to the whole job, so that the error of a short job counts as much as that of a long one.
    weights = np.array([1 / run.seconds for run in warm])
    fixed, planning = non_negative(_with_ones(beyond[:, 0]), beyond[:, 1], weights)
    gap = _gap(warm)
    reads = [run for run in alone if run.kind == "read"]
    reading = min(_line(_pairs(reads))[1], per_picture) if reads else 0.0
    firsts = [
        run.seconds - median(other.seconds for other in warm if other.pictures == run.pictures)
        for run in alone
        if run.kind == "first"
    ]
    return Costs(
        fixed=float(fixed),
        planning=float(planning),
        task=per_task + gap,
        reading=reading,
        compute=per_picture - reading,
        spread=spread,
        start=max(0.0, median(firsts)) if firsts else 0.0,
        listing=listing,
        contention={1: 1.0, **_contention(runs, per_task, per_picture)},
    )


def _pairs(runs: Iterable[Run]) -> Floats:
    """Return the pictures and the seconds of each task."""
    return np.array([[task.pictures, max(task.seconds, 1e-3)] for run in runs for task in run.tasks], float)


def _with_ones(column: Floats) -> Floats:
    return np.column_stack([np.ones(len(column)), column])


def _line(pairs: Floats) -> tuple[float, float]:
    """Return the cost of a task and of a picture, by least squares of relative errors."""
    per_task, per_picture = non_negative(_with_ones(pairs[:, 0]), pairs[:, 1], 1 / pairs[:, 1])
    return float(per_task), float(per_picture)


def _fitted(runs: Iterable[Run], per_task: float, per_picture: float) -> tuple[Floats, Floats]:
    """Return the fitted and the measured seconds of each task."""
    pairs = _pairs(runs)
    return np.maximum(per_task + per_picture * pairs[:, 0], 1e-3), pairs[:, 1]


def _gap(runs: Iterable[Run]) -> float:
    """Return the seconds between the end of a task and the launch of the next one in its slot."""
    gaps = []
    for run in runs:
        by_executor: dict[str, list[Task]] = defaultdict(list)
        for task in run.tasks:
            by_executor[task.executor].append(task)
        for tasks in by_executor.values():
            tasks.sort(key=lambda task: task.launched)
            ends = sorted(task.finished for task in tasks)
            gaps += [
                later.launched - end
                for later, end in zip(tasks[_cores(run) :], ends)
                if later.launched >= end
            ]
    return max(0.0, float(np.median(gaps))) if gaps else 0.0


def _cores(run: Run) -> int:
    # The executors of a local master are the cores of one.
    return run.slots if {task.executor for task in run.tasks} == {"driver"} else run.cores


def _contention(runs: Sequence[Run], per_task: float, per_picture: float) -> dict[int, float]:
    """Return how many times as long the tasks take if several applications run at once, for each number of them."""
    factors = {}
    for count in sorted({run.together for run in runs} - {1}):
        fitted, actual = _fitted(
            [run for run in runs if run.together == count and run.kind == "warm"], per_task, per_picture
        )
        factors[count] = max(1.0, float(actual.sum() / fitted.sum()))
    return factors
