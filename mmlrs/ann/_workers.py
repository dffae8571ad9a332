"""How many workers a training is worth: measured times, and a model of the time that more workers would take."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs import _native
from mmlrs._messages import counted, shown
from mmlrs.ann._driver import Outcome
from mmlrs.ann._estimator import NetworkEstimator
from mmlrs.ann._timing import FUNCTION, Times, times_on_table
from mmlrs.engine.causes import with_own_errors
from mmlrs.engine.datasets import is_spark
from mmlrs.engine.table import to_rows
from mmlrs.engine.training import FULL_BATCH, Specification
from mmlrs.errors import ExecutionError, InvalidParamError
from mmlrs.params import INT, INT_LIST, argument

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["WorkerEstimate", "WorkerTimes", "estimate_workers"]

#: A number of workers is enough if its time is at most so many times the best one.
_ENOUGH = 1.1
#: Efficiency below which more workers are wasted.
_WASTED = 0.5


@dataclass(frozen=True)
class WorkerTimes:
    """The estimated time of each number of workers, for one way of summing the gradients.

    Parameters
    ----------
    workers : tuple of int
        Numbers of workers, in rising order.
    seconds : tuple of float
        Seconds of a pass over all rows.
    one : float
        Seconds of a pass by one worker.
    """

    workers: tuple[int, ...]
    seconds: tuple[float, ...]
    one: float

    @property
    def speed_up(self) -> tuple[float, ...]:
        """The time of one worker divided by that of each number of workers."""
        return tuple(self.one / seconds for seconds in self.seconds)

    @property
    def efficiency(self) -> tuple[float, ...]:
        """The speed-up divided by the number of workers; 1 if no worker waits."""
        return tuple(speed / count for speed, count in zip(self.speed_up, self.workers, strict=True))

    @property
    def best(self) -> int:
        """The number of workers with the shortest time."""
        return min(zip(self.seconds, self.workers, strict=True))[1]

    @property
    def enough(self) -> int:
        """The smallest number of workers whose time is within 10% of the shortest one."""
        limit = _ENOUGH * min(self.seconds)
        return next(n for n, seconds in zip(self.workers, self.seconds, strict=True) if seconds <= limit)

    @property
    def inefficient_from(self) -> int | None:
        """The smallest number of workers with an efficiency below 50%, or None if there is none."""
        pairs = zip(self.workers, self.efficiency, strict=True)
        return next((count for count, efficiency in pairs if efficiency < _WASTED), None)

    def _text(self, name: str) -> str:
        """Return the line of the repr."""
        place = dict(zip(self.workers, zip(self.seconds, self.speed_up, strict=True), strict=True))
        if 1 not in place and min(self.seconds) >= self.one:
            return (
                f"  {name}: 1 worker ({_time(self.one)}) is faster than all of these numbers; fastest of them: {self.best} "
                f"({_time(place[self.best][0])})"
            )
        seconds, speed = place[self.enough]
        wasted = self.inefficient_from
        end = (
            "at least 50% everywhere" if wasted is None else f"below 50% from {counted(wasted, 'worker')} on"
        )
        return (
            f"  {name}: enough: {counted(self.enough, 'worker')} ({_time(seconds)}, speed-up {speed:.3g}); fastest: {self.best}; "
            f"efficiency: {end}"
        )


@dataclass(frozen=True)
class WorkerEstimate:
    """The result of `estimate_workers`. Times are seconds of a pass over all rows.

    Parameters
    ----------
    rows, parameters : int
        Number of rows to train on, and of weights of the network.
    reduce : WorkerTimes
        For workers that sum gradients among themselves over TCP, as the estimators of `mmlrs.ann` do.
    collect : WorkerTimes
        For workers whose gradients the driver collects.
    gradient, serial : float
        Seconds of one worker's gradient of all rows (t_c), and those that more workers do not shorten (s).
    latency, transfer : float
        Seconds of each sum for each other worker (a), and those that depend on the size of the network, for two workers (b).
    collect_latency, collect_transfer : float
        Seconds of each collection without any gradient (a), and for each gradient (c).
    sums : dict of int to float
        Number of sums in a pass, by the number of workers.
    measured : dict of int to float
        Seconds of a pass that were measured, by the number of workers.
    notes : tuple of str
        What was measured, and what was concluded from it.
    """

    rows: int
    parameters: int
    reduce: WorkerTimes
    collect: WorkerTimes
    gradient: float
    serial: float
    latency: float
    transfer: float
    collect_latency: float
    collect_transfer: float
    sums: dict[int, float]
    measured: dict[int, float]
    notes: tuple[str, ...] = field(default=())

    @property
    def table(self) -> pa.Table:
        """The estimate as a table: `workers`, and for both ways of summing the seconds, speed-up and efficiency."""
        columns: dict[str, Any] = {"workers": self.reduce.workers}
        for prefix, times in (("", self.reduce), ("collect_", self.collect)):
            for name in ("seconds", "speed_up", "efficiency"):
                columns[f"{prefix}{name}"] = getattr(times, name)
        return pa.table({name: list(values) for name, values in columns.items()})

    def __repr__(self) -> str:
        measured = ", ".join(f"{_time(s)} with {counted(n, 'worker')}" for n, s in self.measured.items())
        lines = [
            f"WorkerEstimate of {counted(self.rows, 'row')} and {counted(self.parameters, 'weight')}, per pass over the rows",
            self.reduce._text("sums over TCP"),
            self.collect._text("collected by the driver"),
            f"  measured: {measured}",
            *(f"  {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def _time(seconds: float) -> str:
    """Return seconds in a readable unit."""
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"


def estimate_workers(
    estimator: NetworkEstimator,
    dataset: Dataset,
    workers: Iterable[int] = range(1, 65),
    *,
    threads: int = 1,
    max_rows: int = 100_000,
    repeats: int = 5,
) -> WorkerEstimate:
    """Measure how long gradients and their sums take, and estimate from that how the training scales.

    Nothing is trained. On Spark this takes a few short jobs. For a `StackedAutoEncoder` the training of the first layer is
    measured, for a `FineTuner` that of the head, after the features of the rows are computed.

    Parameters
    ----------
    estimator : estimator of mmlrs.ann
        What to train. Its params say how many rows a step has, and whether workers take local steps.
    dataset : Spark DataFrame, pyarrow, pandas or polars table
        The rows to train on.
    workers : iterable of int, default range(1, 65)
        Numbers of workers to estimate, from 1 to the largest value of the param `numWorkers`.
    threads : int, default 1
        Number of threads of a worker. Only for tables; on Spark it is `spark.task.cpus`.
    max_rows : int, default 100_000
        Gradients are measured on at most so many rows. Those of all rows take longer in proportion.
    repeats : int, default 5
        How often each time is measured. The median counts.

    Returns
    -------
    WorkerEstimate
        Seconds, speed-up and efficiency of each number of workers. `mmlrs.plot.plot_workers` draws it.

    Raises
    ------
    InvalidParamError
        The estimator is not one that trains a network, or another argument has an invalid value.
    MmlrsError
        The estimator cannot be trained on the dataset.

    Notes
    -----
    The speed-up is t(1) / t(n) (Ulanov, Simanovsky, Marwah: Modeling Scalability of Distributed Machine Learning, ICDE 2017,
    arXiv 1610.06276). The gradient of all rows takes g(n) = s + (t_c - s) / n: a part s, such as waiting for the memory that workers
    share, does not get shorter (Amdahl's law). The time of a pass over the rows is t(1) = t_c, and for n > 1 workers that sum over TCP
    t(n) = g(n) + k (a (n - 1) + b 2 (n - 1) / n): each worker exchanges messages with n - 1 others, and sends and receives that share
    of the gradient. If the driver collects the gradients, t(n) = g(n) + k (a + c n). The number k of sums in a pass is 1 for the
    solvers "l-bfgs" and "gd", and the number of batches or rounds for others. In g(n), n is at most the number of rows that are
    shared: those to train on, or those of a batch. a, b, c, t_c and s are measured: t_c with one worker, the rest with two. So t(1)
    is what was measured, and so is t(2), unless two workers took less than half of the time of one: then s is 0.

    The updates of the weights are not counted, nor is the way of the weights from the driver back to the workers. Workers on
    one machine share its memory and caches, so that a cluster of several machines can be faster or, if its network is slow,
    slower. Measure on the cluster that you will use.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from mmlrs.ann import MultilayerPerceptronClassifier, estimate_workers
    >>> rng = np.random.default_rng(0)
    >>> rows = pa.table({"features": rng.normal(size=(500, 8)).tolist(), "label": rng.integers(0, 2, 500)})
    >>> estimate = estimate_workers(MultilayerPerceptronClassifier(layers=[8, 16, 2]), rows, workers=[1, 2, 4])
    >>> estimate.table.column_names
    ['workers', 'seconds', 'speed_up', 'efficiency', 'collect_seconds', 'collect_speed_up', 'collect_efficiency']
    >>> estimate.reduce.speed_up[0]
    1.0
    """
    counts = _counts(workers)
    limits = {"threads": threads, "max_rows": max_rows, "repeats": repeats}
    for name, value in limits.items():
        limits[name] = argument(FUNCTION, name, INT.accept, value)
        if limits[name] < 1:
            raise InvalidParamError(f"{FUNCTION}: param `{name}` must be at least 1, got {shown(value)}")
    if not isinstance(estimator, NetworkEstimator):
        raise InvalidParamError(
            f"{FUNCTION}: param `estimator` must be an estimator of mmlrs.ann that trains a network, such as "
            f"MultilayerPerceptronClassifier, got {shown(estimator)}"
        )
    try:
        estimator.copy()._set(numWorkers=counts[-1])._check_params()
    except InvalidParamError as error:
        raise InvalidParamError(f"{FUNCTION}: {error}") from None
    if estimator._value("solver") == "symsgd":
        raise InvalidParamError(
            f'{FUNCTION}: solver="symsgd" is not estimated: its workers exchange products of steps and no gradients; estimate "sgd"'
        )
    rows = to_rows(dataset, FUNCTION, "measure on")

    def measure(specification: Specification, read: Any) -> Outcome:
        """Measure instead of training."""
        if is_spark(read):
            from mmlrs.ann._timing_spark import times_on_spark

            times, total = times_on_spark(specification, read, limits["max_rows"], limits["repeats"])
        else:
            total = read.num_rows
            times = times_on_table(
                specification, read, limits["threads"], limits["max_rows"], limits["repeats"]
            )
        raise _Measured(_estimate(specification, times, total, counts))

    try:
        with with_own_errors():
            estimator._fitted(rows, measure)
    except _Measured as measured:
        return measured.estimate
    raise ExecutionError(f"{FUNCTION}: {estimator._stage} trains no network on this dataset")


class _Measured(Exception):  # noqa: N818 - it is the way out of a fit, and no error
    """Ends a fit when everything is measured."""

    def __init__(self, estimate: WorkerEstimate) -> None:
        super().__init__()
        self.estimate = estimate


def _counts(workers: Any) -> tuple[int, ...]:
    """Return the numbers of workers in rising order."""
    if not isinstance(workers, Iterable) or isinstance(workers, str):
        raise InvalidParamError(
            f"{FUNCTION}: param `workers` must be a list of numbers or a range, got {shown(workers)}"
        )
    counts: list[int] = argument(FUNCTION, "workers", INT_LIST.accept, list(workers))
    if not counts or min(counts) < 1:
        raise InvalidParamError(
            f"{FUNCTION}: param `workers` must have numbers of at least 1, got {min(counts) if counts else 'none'}"
        )
    return tuple(sorted(set(counts)))


def _sums_of(settings: dict[str, Any], rows: int, workers: int) -> float:
    """Return the number of sums over the workers in a pass over the rows."""
    if workers == 1:
        return 0.0
    if settings["solver"] in FULL_BATCH:
        return 1.0
    batch, local = settings["batch_size"], settings["local_steps"]
    steps = math.ceil(rows / (batch * workers if local else batch))
    return float(math.ceil(steps / local) if local else steps)


def _shared(settings: dict[str, Any], rows: int) -> int:
    """Return how many rows the workers share at a time: with more workers, some have none."""
    if settings["solver"] in FULL_BATCH or settings["local_steps"]:
        return max(1, rows)
    return max(1, min(rows, settings["batch_size"]))


def _estimate(
    specification: Specification, times: Times, rows: int, counts: tuple[int, ...]
) -> WorkerEstimate:
    """Return the model of the measured times for a dataset of so many rows."""
    scale = rows / max(1, times.rows)
    rows = round(times.trained * scale)
    gradient, collect_latency = times.one * scale, times.idle
    # Noise may make the difference of two short times negative.
    latency = min(times.latency, times.reduce)
    transfer = times.reduce - latency
    collect_transfer = max(0.0, times.collect - collect_latency) / 2
    settings = json.loads(specification.settings)
    shared = _shared(settings, rows)
    # From g(2) = s + (t_c - s) / 2.
    both = None if times.two is None or shared < 2 else times.two * scale
    serial = 0.0 if both is None else max(0.0, 2 * both - gradient)
    sums = {n: _sums_of(settings, rows, n) for n in counts}
    reduce, collect = [], []
    for n, k in sums.items():
        own = serial + (gradient - serial) / min(n, shared)
        reduce.append(own + k * (latency * (n - 1) + transfer * 2 * (n - 1) / n))
        collect.append(own + k * (collect_latency + collect_transfer * n))
    measured = {1: gradient}
    if both is not None:
        measured[2] = both + _sums_of(settings, rows, 2) * times.reduce
    sample = "" if scale == 1 else f", gradients on {times.trained:,} of them"
    notes = [
        f"one and two workers were measured on {counted(rows, 'row')}{sample}; more workers follow from the model; {times.notes[0]}",
        *times.notes[1:],
    ]
    if both is not None and 2 * both < gradient:
        notes.append(
            "two workers took less than half of the time of one, by noise or because their rows fit the caches; the model takes half"
        )
    if counts[-1] > shared:
        where = f"there {'is' if shared == 1 else 'are'} {counted(shared, 'row')}"
        batch = "" if shared == rows else " in a batch (param `batchSize`)"
        notes.append(f"workers without rows do not help: {where}{batch}")
    return WorkerEstimate(
        rows=rows,
        parameters=json.loads(_native.network_info(specification.network))["parameters"],
        reduce=WorkerTimes(counts, tuple(reduce), gradient),
        collect=WorkerTimes(counts, tuple(collect), gradient),
        gradient=gradient,
        serial=serial,
        latency=latency,
        transfer=transfer,
        collect_latency=collect_latency,
        collect_transfer=collect_transfer,
        sums=sums,
        measured=measured,
        notes=tuple(notes),
    )
