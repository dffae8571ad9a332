"""The model of a job's time: its terms, and what follows from them for more executors and more pictures."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._paths import path_of
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.examples.scaling.request import MAX_EXECUTORS, MAX_PICTURES, tasks_for, whole
from mmlrs.examples.scaling.schedule import makespan

__all__ = ["DISPATCH", "NETWORK", "Costs", "Prediction", "Range", "ScalingModel"]

_FORMAT = "mmlrs-scaling-1"
#: Simulated jobs whose mean is the prediction.
_JOBS = 20
#: Share of the predictions between the limits of an interval.
_INTERVAL = (5, 95)


@dataclass(frozen=True)
class Range:
    """What one worker cannot show: a typical value, and limits that contain most clusters."""

    low: float
    typical: float
    high: float

    def drawn(self, rng: np.random.Generator) -> float:
        """Return a value between the limits, each factor equally likely."""
        return float(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))


#: Bytes per second that the driver sends to all executors together: 1, 10 and 25 Gbit/s.
NETWORK = Range(0.125e9, 1.25e9, 3.125e9)
#: Seconds of the driver per task that it launches. The slides on Sparrow by Ousterhout et al. name 1,500 tasks per second, of Spark 0.8.
DISPATCH = Range(1 / 10_000, 1 / 1500, 1 / 300)


@dataclass(frozen=True)
class Costs:
    """The terms of the model, in seconds."""

    #: Of a job: planning, and the way to the first task and back from the last.
    fixed: float
    #: Of a picture in the driver, which plans which task reads it.
    planning: float
    #: Of a task: launching it, handing it to the Python worker, and collecting its result.
    task: float
    #: Of a picture: reading it.
    reading: float
    #: Of a picture: decoding it and running the network on it, and its way from the JVM to Python and back.
    compute: float
    #: Standard deviation of the logarithm of a task's time.
    spread: float
    #: Of the first job of an application: starting the Python workers and loading the network.
    start: float
    #: Of a picture in the driver, which lists the folder before the first job.
    listing: float
    #: How many times as long a task takes if so many applications run at the same time. Has 1, with 1.0.
    contention: Mapping[int, float]

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Costs:
        """Return the costs of plain data."""
        plain = {name: float(stored[name]) for name in _TERMS}
        return cls(**plain, contention={int(count): float(x) for count, x in stored["contention"].items()})


_TERMS = [field.name for field in fields(Costs) if field.name != "contention"]


@dataclass(frozen=True)
class Prediction:
    """The predicted time of a job, with an interval that contains nine of ten predictions of the bootstrap."""

    executors: int
    pictures: int
    seconds: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Return pictures per second."""
        return self.pictures / self.seconds

    @property
    def rates(self) -> tuple[float, float]:
        """Return the interval of pictures per second."""
        return self.pictures / self.high, self.pictures / self.low


@dataclass(frozen=True)
class ScalingModel:
    """A fitted model: it predicts how long `ImageFeaturizer` takes on a number of executors.

    Attributes
    ----------
    costs : Costs
        The terms, in seconds.
    samples : tuple of Costs
        The terms fitted to resampled measurements, for intervals.
    cores : int
        Cores of an executor.
    tasks_per_slot : int
        Tasks for each core of all executors.
    model_bytes : int
        Size of the network.
    picture_bytes : float
        Mean size of a picture.
    origin : dict
        Where it comes from: the master, the name of the network, the executors and sizes it was fitted on.

    Examples
    --------
    >>> from mmlrs.examples.scaling.model import Costs, ScalingModel
    >>> costs = Costs(fixed=0.1, planning=0.0, task=0.0, reading=0.002, compute=0.008, spread=0.0, start=2.0, listing=0.0,
    ...               contention={1: 1.0})
    >>> model = ScalingModel(costs, (), cores=1, tasks_per_slot=4, model_bytes=0, picture_bytes=2e5, origin={})
    >>> round(model.predict(executors=1, pictures=1000).seconds, 1)
    10.1
    >>> round(model.predict(executors=2, pictures=1000).seconds, 1)
    5.1
    """

    costs: Costs
    samples: tuple[Costs, ...]
    cores: int
    tasks_per_slot: int
    model_bytes: int
    picture_bytes: float
    origin: Mapping[str, Any]

    def predict(
        self, executors: int, pictures: int, *, first: bool = False, per_machine: int = 1
    ) -> Prediction:
        """Return how long a job takes.

        Parameters
        ----------
        executors : int
            Number of executors, at least 1.
        pictures : int
            Number of pictures, at least 1. They are like those of the measurement.
        first : bool, default False
            Whether the folder has to be listed, the workers started and the network sent to them.
        per_machine : int, default 1
            Executors that share a machine, or the storage: 1, or a number that was measured together.

        Returns
        -------
        Prediction
            Seconds, with an interval. It reflects the measurements' noise, and, for the rates of the network and of the driver's
            scheduler, the ranges `NETWORK` and `DISPATCH`, because one worker does not show them.

        Raises
        ------
        InvalidParamError
            A param is not allowed, or `per_machine` was not measured.
        """
        whole("executors", executors, 1, MAX_EXECUTORS)
        whole("pictures", pictures, 1, MAX_PICTURES)
        if per_machine not in self.costs.contention:
            known = ", ".join(map(str, self.costs.contention))
            raise InvalidParamError(
                f"scaling: param `per_machine` must be one of {known}, which were measured, got {shown(per_machine)}; measure with "
                f"`--together {shown(per_machine)}`"
            )
        executors, pictures = int(executors), int(pictures)
        rng = np.random.default_rng(0)
        case = (executors, pictures, first, per_machine)
        rates = (NETWORK.typical, DISPATCH.typical)
        seconds = float(np.mean([self._simulated(self.costs, *case, rates, rng) for _ in range(_JOBS)]))
        drawn = [
            self._simulated(costs, *case, (NETWORK.drawn(rng), DISPATCH.drawn(rng)), rng)
            for costs in self.samples
        ]
        low, high = np.percentile(drawn, _INTERVAL) if drawn else (seconds, seconds)
        return Prediction(executors, pictures, seconds, min(float(low), seconds), max(float(high), seconds))

    def _simulated(
        self,
        costs: Costs,
        executors: int,
        pictures: int,
        first: bool,
        per_machine: int,
        rates: tuple[float, float],
        rng: np.random.Generator,
    ) -> float:
        """Return the seconds of one job with random times of its tasks."""
        network, dispatch = rates
        slots = executors * self.cores
        tasks = tasks_for(self.tasks_per_slot, slots, pictures)
        mean = costs.task + (costs.reading + costs.compute) * pictures / tasks
        factors = np.exp(costs.spread * rng.standard_normal(tasks) - costs.spread**2 / 2)
        seconds = (costs.contention[per_machine] * mean * factors).tolist()
        total = costs.fixed + costs.planning * pictures + makespan(seconds, slots, dispatch)
        if first:
            # The fitted start contains the way of the network to the first executor.
            total += costs.start + costs.listing * pictures + self.model_bytes * (executors - 1) / network
        return total

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"format": _FORMAT, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON."""
        place = Path(path_of(path, "scaling: param `path`"))
        place.write_text(json.dumps(self.to_json(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ScalingModel:
        """Load a saved model.

        Raises
        ------
        IoError
            The file does not exist, or is not a saved model.
        """
        place = Path(path_of(path, "scaling: param `path`"))
        try:
            stored = json.loads(place.read_text(encoding="utf-8"))
            if stored.pop("format") != _FORMAT:
                raise ValueError(f"its format is not {_FORMAT}")
            costs = Costs.from_json(stored.pop("costs"))
            samples = tuple(map(Costs.from_json, stored.pop("samples")))
            return cls(costs, samples, **stored)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IoError(f"scaling: param `path`: {place} is not a saved scaling model ({error})") from None


def terms(model: ScalingModel) -> Iterator[tuple[str, float, float, float]]:
    """Yield name, value and interval of each term."""
    for name in _TERMS:
        values = [getattr(costs, name) for costs in model.samples] or [getattr(model.costs, name)]
        low, high = np.percentile(values, _INTERVAL)
        yield name, getattr(model.costs, name), float(low), float(high)
