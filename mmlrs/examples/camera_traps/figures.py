"""The figures of the report: how well scores tell the target from everything else."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs.train import ComputeModelStatistics

__all__ = ["HOURS_PER_MILLION", "Figures", "Removal", "figures", "threshold_of"]

#: Hours that people need to sort a million pictures, as the snow leopard study of the MMLSpark paper says.
HOURS_PER_MILLION = 20_000
#: Shares of the pictures, the emptiest ones, that are removed.
REMOVED = (0.5, 0.7, 0.9)
#: Points of a drawn ROC curve, about.
_POINTS = 400

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Removal:
    """What is lost and gained when the emptiest share of the pictures is removed.

    Parameters
    ----------
    share : float
        Share of the pictures that are removed, those with the lowest scores.
    removed : int
        Their number.
    missed : int
        How many of them show the target.
    hours : float
        Hours of sorting saved per million pictures.
    """

    share: float
    removed: int
    missed: int
    hours: float


@dataclass(frozen=True)
class Figures:
    """The figures of scores at a threshold. A figure that is not defined is None.

    Parameters
    ----------
    frames, targets : int
        Pictures, and those that show the target.
    auc : float or None
        Area under the ROC curve.
    average_precision : float or None
        Area under the precision-recall curve, as in scikit-learn.
    threshold : float
        The score from which a picture counts as showing the target.
    precision, recall : float or None
        At the threshold.
    macro_f1 : float
        Mean of the F1 scores of both classes, at the threshold.
    confusion : list of list of int
        Pictures: rows are without and with the target, columns below and from the threshold.
    below : int
        Pictures below the threshold, which nobody needs to look at.
    hours : float
        Hours of sorting saved per million pictures, if pictures below the threshold are removed.
    removals : tuple of Removal
        The same for the emptiest 50, 70 and 90%.
    curve : list of tuple of float
        Points of the ROC curve: false and true positive rate.
    """

    frames: int
    targets: int
    auc: float | None
    average_precision: float | None
    threshold: float
    precision: float | None
    recall: float | None
    macro_f1: float
    confusion: list[list[int]]
    below: int
    hours: float
    removals: tuple[Removal, ...]
    curve: list[tuple[float, float]]

    def summary(self) -> dict[str, Any]:
        """Return the figures without the curve, for JSON."""
        members = asdict(self)
        del members["curve"]
        return members


def threshold_of(targets: Floats, scores: Floats, recall: float) -> float:
    """Return the largest threshold from which at least the share `recall` of the target's pictures is found.

    Parameters
    ----------
    targets : ndarray
        1.0 for a picture of the target, else 0.0.
    scores : ndarray
        A score per picture.
    recall : float
        More than 0, at most 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlrs.examples.camera_traps.figures import threshold_of
    >>> threshold_of(np.array([1.0, 0.0, 1.0, 1.0, 1.0]), np.array([0.9, 0.8, 0.7, 0.4, 0.2]), recall=0.75)
    0.4
    """
    found = np.sort(scores[targets > 0])[::-1]
    return float(found[max(1, math.ceil(recall * len(found) - 1e-9)) - 1])


def figures(targets: Floats, scores: Floats, threshold: float) -> Figures:
    """Return the figures of scores at a threshold.

    Parameters
    ----------
    targets : ndarray
        1.0 for a picture of the target, else 0.0. At least one picture.
    scores : ndarray
        A score per picture.
    threshold : float
        The score from which a picture counts as showing the target.
    """
    answers = (scores >= threshold).astype(float)
    table = pa.table({"target": targets, "answer": answers, "score": scores})
    judge = ComputeModelStatistics(
        evaluationMetric="classification",
        labelCol="target",
        scoredLabelsCol="answer",
        scoresCol="score",
        labels=[0.0, 1.0],
        curvePoints=_POINTS,
    )
    [row] = judge.transform(table).to_pylist()
    shown, found = int(targets.sum()), int(answers.sum())
    below = len(scores) - found
    curve = [] if row["AUC"] is None else row["curve"]
    return Figures(
        frames=len(scores),
        targets=shown,
        auc=row["AUC"],
        average_precision=row["areaUnderPR"] if shown else None,
        threshold=threshold,
        precision=row["precision"] if found else None,
        recall=row["recall"] if shown else None,
        macro_f1=row["macro_averaged_f1_score"],
        confusion=[[int(count) for count in counts] for counts in row["confusion_matrix"]],
        below=below,
        hours=HOURS_PER_MILLION * below / len(scores),
        removals=tuple(_removal(targets, scores, share) for share in REMOVED),
        curve=[(point["false_positive_rate"], point["true_positive_rate"]) for point in curve],
    )


def _removal(targets: Floats, scores: Floats, share: float) -> Removal:
    removed = math.floor(share * len(scores) + 1e-9)
    emptiest = np.argsort(scores, kind="stable")[:removed]
    hours = HOURS_PER_MILLION * removed / len(scores)
    return Removal(share, removed, int(targets[emptiest].sum()), hours)
