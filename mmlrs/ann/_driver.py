"""A training as a chain of jobs: how long they are, what is shown, when it is over."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from mmlrs._progress import Bar, progress
from mmlrs._warnings import warn_once
from mmlrs.ann._specification import Specification
from mmlrs.errors import ExecutionError

__all__ = ["Outcome", "Runner", "train"]


class Runner(Protocol):
    """Runs the jobs of a training."""

    #: Seconds that a job should take.
    seconds: float

    def advance(self, iterations: int) -> str:
        """Run so many iterations. Return JSON: the `lines` of the history, and the reason to `finish` or null."""

    def rewind(self, iterations: int) -> None:
        """Return to the state before the last job, and run so many iterations."""

    def network(self) -> bytes:
        """Return the trained network as a file."""


@dataclass
class Outcome:
    """A trained network.

    Parameters
    ----------
    network : bytes
        The network as a file.
    lines : list of dict
        The history.
    finish : str
        Why the training is over: "converged", "iterations", "stopped" or "diverged".
    """

    network: bytes
    lines: list[dict[str, Any]] = field(default_factory=list)
    finish: str = "iterations"

    def history(self) -> str:
        """Return the param `trainingHistory` of a model."""
        return json.dumps({"finish": self.finish, "lines": self.lines})


def train(
    specification: Specification, runner: Runner, clock: Callable[[], float] = time.monotonic
) -> Outcome:
    """Run a training to its end.

    Raises
    ------
    ExecutionError
        The loss of the initial weights is not a finite number.
    """
    lines: list[dict[str, Any]] = []
    count, finish = 1, None
    with progress(specification.stage, specification.iterations, specification.unit) as bar:
        while finish is None:
            started = clock()
            result = json.loads(runner.advance(count))
            seconds = max(clock() - started, 1e-6)
            new, finish = result["lines"], result["finish"]
            if finish == "diverged":
                new = new[:-1]
                _diverged(specification, lines + new)
                runner.rewind(_iterations(new))
            lines += new
            _show(bar, new)
            count = max(1, min(10 * count, int(count * runner.seconds / seconds)))
    return Outcome(runner.network(), lines, finish)


def _iterations(lines: list[dict[str, Any]]) -> int:
    """Return the number of iterations of some lines. The line of the initial loss is none."""
    return sum(line["iteration"] > 0 for line in lines)


def _diverged(specification: Specification, lines: list[dict[str, Any]]) -> None:
    """Say that the loss is not finite any more. Raise if it never was."""
    if not lines:
        raise ExecutionError(
            f"{specification.stage}: the loss is not a finite number from the first {specification.unit} on; scale the features, "
            "or use a smaller `stepSize`"
        )
    last = lines[-1]
    warn_once(
        [
            f"{specification.stage}: the loss is not a finite number after {specification.unit} {last['iteration']}; the model has "
            f"the weights of that {specification.unit}, whose loss is {last['loss']:.6g}. A smaller `stepSize` helps"
        ]
    )


def _show(bar: Bar, lines: list[dict[str, Any]]) -> None:
    if not lines:
        return
    bar.update(_iterations(lines))
    last = lines[-1]
    parts = [f"loss {last['loss']:.4g}"]
    if last["validation_loss"] is not None:
        parts.append(f"validation {last['validation_loss']:.4g}")
    if last["validation_metric"] is not None and math.isfinite(last["validation_metric"]):
        parts.append(f"metric {last['validation_metric']:.4g}")
    bar.note(", ".join([*parts, f"{last['rows_per_second']:,.0f} rows/s"]))
