"""What is to be measured, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

from mmlrs._messages import shown
from mmlrs._paths import path_of
from mmlrs.errors import InvalidParamError
from mmlrs.examples.scaling import master as masters

__all__ = ["Request", "tasks_for"]

_NAME = "scaling"
#: Executors of an application, at most.
MAX_EXECUTORS = 10_000
#: Pictures of a run, at most. Their paths are in the memory of the driver.
MAX_PICTURES = 10_000_000
#: Repeats of a run, at most.
MAX_REPEATS = 1000


@dataclass(frozen=True)
class Request:
    """What `measure` measures.

    Parameters
    ----------
    master : str
        URL of the cluster: "local[N]", "spark://HOST:PORT", "yarn" or "k8s://URL". The executors of "local[N]" are the cores of this
        machine.
    images : path
        Folder of pictures that driver and executors can read, a path or a URI such as "hdfs://...". Files that are not named like
        pictures (.jpg, .png and the like) are ignored.
    executors : sequence of int
        Numbers of executors, in ascending order. The model is fitted on the first of them.
    sizes : sequence of int, default ()
        Numbers of pictures, at least two, in ascending order; by default a quarter, half and all of the folder.
    model : str, default "efficientnet-lite0"
        The network of `ImageFeaturizer`.
    repeats : int, default 3
        How often each size is measured, at least 1.
    cores : int, default 1
        Cores of an executor.
    tasks_per_slot : int, default 4
        Tasks for each core of all executors. With more of them, slow tasks matter less and the cost per task matters more.
    together : int, default 1
        From 2 on, so many applications of the first number of executors are also measured at the same time. This shows how much
        slower each is than one alone, because they share a machine, its memory, or the storage.
    wait : float, default 60
        Seconds to wait for the executors.
    conf : mapping of str to str, default {}
        More settings of Spark.

    Raises
    ------
    InvalidParamError
        A param has the wrong type or a value that is not allowed, or a local master has fewer cores.

    Examples
    --------
    >>> from mmlrs.examples.scaling import Request
    >>> Request("local[1]", "photos", executors=[1], sizes=[100, 200]).repeats
    3
    """

    master: str
    images: str
    executors: Sequence[int]
    sizes: Sequence[int] = ()
    model: str = "efficientnet-lite0"
    repeats: int = 3
    cores: int = 1
    tasks_per_slot: int = 4
    together: int = 1
    wait: float = 60.0
    conf: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all params."""
        _text("master", self.master, "a URL")
        object.__setattr__(self, "images", path_of(self.images, f"{_NAME}: param `images`"))
        _text("model", self.model, "the name or path of a network")
        ascending("executors", self.executors, 1, MAX_EXECUTORS)
        if self.sizes:
            ascending("sizes", self.sizes, 1, MAX_PICTURES)
            if len(self.sizes) < 2:
                raise InvalidParamError(
                    f"{_NAME}: param `sizes` must be at least two numbers of pictures, got {shown(list(self.sizes))}; one size "
                    "cannot tell the fixed cost from the cost of a picture"
                )
        whole("repeats", self.repeats, 1, MAX_REPEATS)
        whole("cores", self.cores, 1, MAX_EXECUTORS)
        whole("tasks_per_slot", self.tasks_per_slot, 1, MAX_REPEATS)
        whole("together", self.together, 1, MAX_EXECUTORS)
        _seconds("wait", self.wait)
        first = self.executors[0]
        masters.check_master(self.master, self.executors[-1], self.cores, self.together * first)


def tasks_for(tasks_per_slot: int, slots: int, pictures: int) -> int:
    """Return the number of tasks of a run: so many for each slot, and at most one for each picture."""
    return max(1, min(tasks_per_slot * slots, pictures))


def _text(name: str, value: object, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidParamError(f"{_NAME}: param `{name}` must be {what}, got {shown(value)}")


def _seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < float("inf"):
        raise InvalidParamError(
            f"{_NAME}: param `{name}` must be a number of seconds greater than 0, got {shown(value)}"
        )


def ascending(name: str, values: Any, least: int, most: int) -> None:
    """Raise an `InvalidParamError` for anything but whole numbers within limits, each larger than the one before."""
    if isinstance(values, str) or not isinstance(values, Sequence) or not values:
        raise InvalidParamError(
            f"{_NAME}: param `{name}` must be a list of whole numbers, got {shown(values)}"
        )
    for value in values:
        whole(name, value, least, most)
    if any(b <= a for a, b in pairwise(values)):
        raise InvalidParamError(
            f"{_NAME}: param `{name}` must be in ascending order, without repeats, got {shown(list(values))}"
        )


def whole(name: str, value: Any, least: int, most: int) -> None:
    """Raise an `InvalidParamError` for anything but a whole number within limits."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise InvalidParamError(
            f"{_NAME}: param `{name}` must be a whole number between {least:,} and {most:,}, got {shown(value)}"
        )
