"""Curves of precision over recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmlrs.plot.axes import GRAY, axes_of, legend, line_style
from mmlrs.plot.curves import curves_of
from mmlrs.plot.rows import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_precision_recall"]

_FUNCTION = "plot_precision_recall"
#: The members of a point of the curve of computed statistics.
_STATISTICS = {"x": "true_positive_rate", "y": "precision", "area": "areaUnderPR"}


def plot_precision_recall(
    data: Any,
    label_col: str = "label",
    score_col: str | Sequence[str] = "probability",
    *,
    positive: Any = None,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot precision over recall: of one or several classifiers, of two or more classes.

    Parameters
    ----------
    data : dataset, pair of arrays, or mapping
        The scored rows: a Spark DataFrame, a pyarrow, pandas or polars table, or the pair of arrays `(labels, scores)`. Or
        the result of `ComputeModelStatistics`, whose curve is drawn. A mapping such as `{"tree": a, "line": b}` compares
        models.
    label_col : str, default "label"
        Name of the column of labels: text, numbers, booleans or dates.
    score_col : str or sequence of str, default "probability"
        Name of the column of scores, as for `plot_roc`. Several columns are compared in one plot.
    positive : object, optional
        The class to draw against all others. By default the second of two classes, and each class if there are more.
    labels : sequence, optional
        The classes in the order of the scores in a vector, as for `plot_roc`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with steps per curve. The legend gives the average precision (AP) of each curve, and the title the positive
        class of two. The dashed line of a single curve is the precision of guessing: the share of the positive class.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError, DecodeError, InvalidParamError
        As for `plot_roc`.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    Curves and average precisions equal those of scikit-learn's `precision_recall_curve` and `average_precision_score`: steps
    without interpolation. Rows with a null or NaN are left out, and the title says how many.

    Examples
    --------
    >>> from mmlrs.plot import plot_precision_recall
    >>> ax = plot_precision_recall(([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.5]))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['AP = 0.833', 'chance']
    """
    found = curves_of(_FUNCTION, data, (label_col, score_col), (positive, labels), _traced, _STATISTICS)
    ax = axes_of(_FUNCTION, ax, (found.width(), 5.2))
    curves = found.all()
    handles = []
    for number, curve in enumerate(curves):
        handles += ax.step(curve.x, curve.y, where="pre", linewidth=1.8, **line_style(number))
    names = [f"{curve.name}, AP = {curve.area:.3f}".removeprefix(", ") for curve in curves]
    if len(curves) == 1:
        handles.append(ax.axhline(curves[0].y[-1], linestyle="--", linewidth=1, color=GRAY))
        names.append("chance")
    ax.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    legend(ax, handles, names, "lower left")
    mean = ""
    if len(curves) > 1 and len(found.groups) == 1:
        mean = f"\nmean average precision {np.mean([curve.area for curve in curves]):.3f}"
    ax.set_title("precision and recall" + found.notes() + mean)
    return ax


def _traced(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats, float]:
    """Return recall, precision and average precision, from the strictest threshold on."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(scores) - 1)
    hits = np.cumsum(is_class[order])[ends]
    recall, precision = hits / hits[-1], hits / (ends + 1)
    average = float(np.sum(np.diff(recall, prepend=0) * precision))
    return np.append(0, recall), np.append(1, precision), average
