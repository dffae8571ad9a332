"""Predictions beside measurements that the fit has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from mmlrs.examples.scaling.model import Prediction, ScalingModel
from mmlrs.examples.scaling.runs import Run

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """The median time of warm runs of one size on a number of executors, and its prediction."""

    measured: float
    least: float
    most: float
    predicted: Prediction
    #: Whether the model was fitted on these runs.
    fitted: bool

    @property
    def error(self) -> float:
        """Return by which share of the measured time the prediction is too long; negative if too short."""
        return self.predicted.seconds / self.measured - 1

    def line(self) -> str:
        """Return one line of text."""
        predicted = self.predicted
        return (
            f"{predicted.executors:>9}  {predicted.pictures:>9,}  {predicted.pictures / self.measured:>9.1f}  "
            f"{predicted.rate:>9.1f}  {self.error:>+7.1%}  {'fitted' if self.fitted else 'not seen'}"
        )


HEADING = f"{'executors':>9}  {'pictures':>9}  {'measured':>9}  {'predicted':>9}  {'error':>7}  (pictures per second)"


def compare(model: ScalingModel, runs: Sequence[Run], *, per_machine: int = 1) -> list[Comparison]:
    """Return a comparison for each number of executors and pictures.

    Parameters
    ----------
    model : ScalingModel
        The fitted model.
    runs : sequence of Run
        Measured runs. Only the warm ones of applications that ran alone count.
    per_machine : int, default 1
        Executors that share a machine, where there are more than one.

    Returns
    -------
    list of Comparison
        Sorted by executors and pictures.

    Raises
    ------
    InvalidParamError
        `per_machine` was not measured.
    """
    groups: dict[tuple[int, int], list[float]] = defaultdict(list)
    for run in runs:
        if run.kind == "warm" and run.together == 1:
            groups[run.executors, run.pictures].append(run.seconds)
    seen = set(model.origin.get("sizes", ()))
    return [
        Comparison(
            median(seconds),
            min(seconds),
            max(seconds),
            model.predict(
                executors,
                pictures,
                per_machine=1 if executors <= model.origin["executors"] else per_machine,
            ),
            executors == model.origin["executors"] and pictures in seen,
        )
        for (executors, pictures), seconds in sorted(groups.items())
    ]
