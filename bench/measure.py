"""Figures, measures and a fair comparison of two implementations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

#: The units of figures, with the number of digits after the point; those without a unit are counts and numbers.
DIGITS = {"x": 2, "s": 3, "ms": 3, "dB": 1, "%": 1, "MB": 2, "MiB": 0, "": 2}


class NotInstalledError(RuntimeError):
    """A measure needs a package or data that are not installed. The message says which, and how to install them."""


def required(module: str) -> Any:
    """Return a module of requirements-bench.txt, which only the benchmarks use.

    Raises
    ------
    NotInstalledError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        advice = "pip install --no-deps -r requirements-bench.txt"
        raise NotInstalledError(f"{module} is not installed: {advice}, as `make bench` does") from None


@dataclass(frozen=True)
class Setting:
    """How thoroughly to measure."""

    quick: bool = False

    def pairs(self, full: int) -> int:
        """Return the number of pairs of runs: all, or three in quick mode."""
        return min(3, full) if self.quick else full


@dataclass(frozen=True)
class Figure:
    """One measured number and its target."""

    what: str
    value: float
    unit: Literal["x", "s", "ms", "dB", "%", "MB", "MiB", ""] = "x"
    target: float | None = None
    #: Whether the target is a floor (a ratio) or a ceiling (a time, a count).
    at_least: bool = True
    detail: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None if there is no target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def value_text(self) -> str:
        return self._text(self.value)

    @property
    def target_text(self) -> str:
        if self.target is None:
            return ""
        return ("≥ " if self.at_least else "≤ ") + self._text(self.target)

    def _text(self, number: float) -> str:
        digits = 0 if not self.unit and float(number).is_integer() else DIGITS[self.unit]
        return f"{number:.{digits}f}" + ("x" if self.unit == "x" else f" {self.unit}" if self.unit else "")


Measure = Callable[[Setting], Iterator[Figure]]


@dataclass(frozen=True)
class Comparison:
    """The times of two implementations, run alternately."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """Return how many times faster ours is: the median over the pairs, each measured back to back."""
        return statistics.median(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    def seconds(self, peer: str) -> str:
        """Return the medians of whole runs, for the report."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return f"{ours:.2f} s against {theirs:.2f} s with {peer}; {self._pairs()}"

    def _pairs(self) -> str:
        pairs = [b / a for a, b in zip(self.ours, self.theirs, strict=True)]
        return "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs, {min(pairs):.2f} to {max(pairs):.2f}"

    def detail(self, rows: int, peer: str, what: str = "per image") -> str:
        """Return the medians per row, for the report."""
        ours, theirs = (1e3 * statistics.median(times) / rows for times in (self.ours, self.theirs))
        return f"{ours:.2f} ms {what} against {theirs:.2f} ms with {peer}; {self._pairs()}"


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def side_by_side(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    pairs: int,
    *,
    warm_up: bool = True,
    clock: Callable[[Callable[[], Any]], float] = seconds,
) -> Comparison:
    """Time both alternately, after one unmeasured call of each to warm up. Every other pair runs in the opposite order.

    `clock` calls one of them and returns the time that it took.
    """
    if warm_up:
        ours()
        theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            times[which].append(clock((ours, theirs)[which]))
    return Comparison(*times)
