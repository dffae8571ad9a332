"""A training as a chain of jobs: how long they are, what is shown, when it is over."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mmlrs._progress import Bar, progress
from mmlrs._warnings import warn
from mmlrs.ann._checkpoints import Checkpoints, fingerprint
from mmlrs.engine.training import Specification
from mmlrs.errors import ExecutionError, InvalidParamError

if TYPE_CHECKING:
    from mmlrs.engine.barrier_task import Chunk

__all__ = ["Counts", "Outcome", "Runner", "train"]


class Counts(NamedTuple):
    """Numbers of rows of a training."""

    rows: int  # to train on
    held_out: int
    skipped: int


class Runner(Protocol):
    """Runs the jobs of a training."""

    #: Seconds that a job should take.
    seconds: float
    #: Number of workers.
    workers: int

    def advance(self, iterations: int, seconds: float | None) -> str:
        """Run so many iterations, or as many as start within so many seconds.

        Return JSON: the `lines` of the history, the reason to `finish` or null, and the `baseline`: the `loss` of the best constant
        answer, and mean and standard deviation of the `values` of the targets.
        """

    def state(self) -> Sequence[Chunk] | None:
        """Return the state after the last job; None if there was none and a job starts without a state."""

    def restore(self, state: Sequence[Chunk] | None) -> None:
        """Return to a state."""

    def counts(self) -> Counts:
        """Return the numbers of rows. There was a job."""

    def data(self) -> Any:
        """Return JSON data that identifies the rows."""

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


#: The share of the usual time that the first job takes, so that errors and progress are seen soon.
_FIRST = 0.2


def train(specification: Specification, runner: Runner) -> Outcome:
    """Run a training to its end, from its checkpoint if there is one.

    Raises
    ------
    InvalidParamError
        The training stops early, and no row is held out.
    ExecutionError
        The loss is not a finite number from the beginning.
    IoError
        The checkpoint cannot be read.
    """
    training, checkpoints, saved = _Training(specification, runner), None, 0
    if specification.checkpoints is not None:
        checkpoints = Checkpoints(specification, fingerprint(specification, runner.data(), runner.workers))
        found = checkpoints.load()
        if found is not None:
            runner.restore(found.state)
            training.lines, saved = found.lines, len(found.lines)
    seconds, checked, done = _FIRST * runner.seconds, False, _iterations(training.lines)
    with progress(specification.stage, specification.iterations, specification.unit, done=done) as bar:
        while training.finish is None:
            state = training.remember()
            if checkpoints is not None and state is not None and len(training.lines) > saved:
                checkpoints.save(state, training.lines)
            new = training.job(seconds)
            seconds = runner.seconds
            if not checked:
                _check(specification, runner.counts())
                _warn_of_scale(specification, training.baseline["values"])
                checked = True
            _show(bar, new)
    outcome = Outcome(runner.network(), training.lines, training.finish)
    _warn_of_result(specification, outcome, training.baseline["loss"])
    if checkpoints is not None:
        checkpoints.remove()
    return outcome


class _Training:
    """The history of a training, and the states to return to if it diverges."""

    def __init__(self, specification: Specification, runner: Runner) -> None:
        self._specification, self._runner = specification, runner
        self.lines: list[dict[str, Any]] = []
        self.finish: str | None = None
        #: The best constant answer: its `loss`, and mean and standard deviation of the `values` of the targets.
        self.baseline: dict[str, Any] = {"loss": None, "values": []}
        #: The loss of gradient descent is that of the weights before its step: if it is bad, so was the step before.
        self._late = int(json.loads(specification.settings)["solver"] == "gd")
        #: States before the last jobs, with their numbers of iterations.
        self._before: list[tuple[int, Sequence[Chunk] | None]] = []

    def remember(self) -> Sequence[Chunk] | None:
        """Return the state, which the training can return to after the next job."""
        self._before = self._before[-1:] if self._late else []  # before there is another one in memory
        state = self._runner.state()
        self._before.append((_iterations(self.lines), state))
        return state

    def job(self, seconds: float) -> list[dict[str, Any]]:
        """Run the iterations that start within so many seconds, and return their lines."""
        start = len(self.lines)
        result = json.loads(self._runner.advance(self._specification.iterations, seconds))
        self.lines += result["lines"]
        self.finish = result["finish"]
        self.baseline = result["baseline"]
        if self.finish == "diverged":
            del self.lines[-1]
            self._return(_iterations(self.lines) - self._late)
        elif not _is_finite(self._runner.network()):
            self.finish = "diverged"
            self._return(_iterations(self.lines) - 1)
        return self.lines[start:]

    def _return(self, done: int) -> None:
        """Return to the last good weights, which are those after `done` iterations or before. Raise if there are none."""
        spec, runner = self._specification, self._runner
        while done > 0:
            at, state = next((entry for entry in reversed(self._before) if entry[0] <= done), self._before[0])
            done = max(done, at)
            runner.restore(state)
            if done > at:
                runner.advance(done - at, None)
            if done == at or _is_finite(runner.network()):
                break
            done -= 1
        if done <= 0:
            others = "" if spec.parameters is None or spec.part else ", or other `initialWeights`"
            raise ExecutionError(
                f"{spec.title}: the loss is not a finite number from the first {spec.unit} on; scale the features, or use a smaller "
                f"`stepSize`{others}"
            )
        self.lines = [line for line in self.lines if line["iteration"] <= done]
        warn(
            f"{spec.title}: the loss is not a finite number after {spec.unit} {done}; the model has the weights of that {spec.unit}, "
            f"whose loss is {self.lines[-1]['loss']:.6g}. A smaller `stepSize` helps"
        )


#: A loss at the end, in losses of the best constant answer, that is worse than such an answer, and one that is no better.
_WORSE, _NO_BETTER = 1.5, 0.999


def _warn_of_result(specification: Specification, outcome: Outcome, constant: float | None) -> None:
    """Warn if the network is no better than the best answer that is the same for all rows, whose loss is `constant`.

    A training that has not converged may still be on its way, unless its steps made it far worse; those of L-BFGS never do.
    """
    if outcome.finish == "diverged" or not constant:
        return
    settings = json.loads(specification.settings)
    # With early stopping, the model is the best one.
    column = "validation_loss" if settings["patience"] > 0 else "loss"
    losses = [line[column] for line in outcome.lines]
    loss = losses[-1] if column == "loss" else min(losses)
    labels = json.loads(specification.columns)["labels"]
    answer = "the frequencies of the classes" if labels == "classes" else "the mean"
    scaled = "labels and features" if labels == "values" else "features"
    at_most = "at most " if json.loads(specification.network)["loss"]["kind"] == "huber" else ""
    if loss > _WORSE * constant and settings["solver"] != "l-bfgs":
        warn(
            f"{specification.title}: the training ended with the loss {loss:.6g}, but {answer} as the answer for all rows has "
            f"{at_most}{constant:.6g}. Take more {specification.unit}s or smaller steps (`stepSize`), or scale the {scaled} to about 1"
        )
    elif outcome.finish == "converged" and loss >= _NO_BETTER * constant:
        larger = "a larger `stepSize`, " if settings["solver"] == "gd" else ""
        warn(
            f"{specification.title}: the training converged to the loss {loss:.6g}, no better than {answer} as the answer for all rows. "
            f"Scale the {scaled} to about 1, use {larger}a smaller `l2`, or add features that tell more about the rows"
        )


#: Standard deviations of labels, up to 1 over this and from this on, that are hard to learn.
_SCALE = 1000.0
#: Largest standard deviation of the values of labels, in smallest ones, with which the loss still counts the smaller ones.
_APART = 100.0
#: Means of labels, in standard deviations, from which the rounding to single precision counts.
_OFFSET = 1e5


def _warn_of_scale(specification: Specification, values: list[list[float]]) -> None:
    """Warn of labels that are hard to learn. `values` has mean and standard deviation of each output."""
    columns = json.loads(specification.columns)
    if columns["labels"] != "values":
        return
    column = f"the labels in column `{columns['label']}`"
    remedy = "Train on labels of mean 0 and deviation 1, and convert the predictions back"
    spread = {deviation: number for number, (_, deviation) in enumerate(values) if deviation > 0}
    if spread and max(spread) >= _APART * min(spread):
        (small, few), (large, many) = min(spread.items()), max(spread.items())
        warn(
            f"{specification.title}: {column} have values whose standard deviations are far apart, {small:.4g} (value {few}) and "
            f"{large:.4g} (value {many}), so that the loss hardly depends on the smaller ones. {remedy}"
        )
        return
    for number, (mean, deviation) in enumerate(values):
        if deviation == 0 or (1 / _SCALE < deviation < _SCALE and abs(mean) < _OFFSET * deviation):
            continue
        which = f"value {number} of {column} has" if len(values) > 1 else f"{column} have"
        warn(
            f"{specification.title}: {which} the mean {mean:.4g} and the standard deviation {deviation:.4g}, with which training is "
            f"slow or ends early. {remedy}"
        )
        return


def _is_finite(network: bytes) -> bool:
    """Return whether all weights of a network file are finite."""
    import numpy as np

    header = int.from_bytes(network[:8], "little")
    return bool(np.isfinite(np.frombuffer(network, "<f4", offset=8 + header)).all())


def _iterations(lines: list[dict[str, Any]]) -> int:
    """Return the number of iterations of some lines. The line of the initial loss is none."""
    return sum(line["iteration"] > 0 for line in lines)


def _check(specification: Specification, counts: Counts) -> None:
    """Say which rows are missing that the user asked for, or that were left out."""
    stage, settings = specification.stage, json.loads(specification.settings)
    column = json.loads(specification.columns)["held_out"]
    total = counts.rows + counts.held_out
    if counts.held_out == 0 and (column is not None or settings["validation_fraction"] > 0):
        cause = (
            f"param `validationFraction` is {settings['validation_fraction']:g}, which holds out none of {total:,} rows"
            if column is None
            else f"column `{column}` of param `validationIndicatorCol` is true for none of {total:,} rows"
        )
        if settings["patience"] > 0:
            raise InvalidParamError(
                f"{stage}: {cause}, and `earlyStopping` needs rows to validate on; hold out more rows, or set `earlyStopping` to 0"
            )
        warn(f"{stage}: {cause}; the history has no validation loss")
    if counts.skipped:
        warn(
            f"{stage}: trains without {counts.skipped:,} of {total + counts.skipped:,} rows, whose label, weight or features are null, NaN, "
            'infinite or do not fit; with handleInvalid="error" the error names the first one'
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
