"""ROC curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mmlrs.plot.axes import GRAY, axes_of, legend, line_style
from mmlrs.plot.curves import Curve, curves_of
from mmlrs.plot.rows import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_roc"]

_FUNCTION = "plot_roc"
#: The members of a point of the curve of computed statistics.
_STATISTICS = {"x": "false_positive_rate", "y": "true_positive_rate", "area": "AUC"}


def plot_roc(
    data: Any,
    label_col: str = "label",
    score_col: str | Sequence[str] = "probability",
    *,
    positive: Any = None,
    labels: Sequence[Any] | None = None,
    average: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Plot ROC curves: of one or several classifiers, of two or more classes.

    Parameters
    ----------
    data : dataset, pair of arrays, or mapping
        The scored rows: a Spark DataFrame, a pyarrow, pandas or polars table, or the pair of arrays `(labels, scores)`. Or
        the result of `ComputeModelStatistics`, whose curve is drawn. A mapping such as `{"tree": a, "line": b}` compares
        models.
    label_col : str, default "label"
        Name of the column of labels: text, numbers, booleans or dates.
    score_col : str or sequence of str, default "probability"
        Name of the column of scores. Higher numbers speak for the positive class. A vector has one score per class, such as
        Spark's `probability`. Several columns are compared in one plot.
    positive : object, optional
        The class to draw against all others. By default the second of two classes, and each class if there are more.
    labels : sequence, optional
        The classes in the order of the scores in a vector. By default the classes in the metadata of the columns, or class
        numbers. With scores that are numbers, by default the labels in ascending order.
    average : bool, default True
        With more than two classes, add the macro average of their curves, and its area.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a line per curve and the diagonal. The legend gives the area under each curve (AUC), and
        the title the positive class of two.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        There is no such column, or it has a type that cannot be read, or vectors and classes differ in number.
    DecodeError
        There are no rows, the label has only one class, or a label is not among the classes.
    InvalidParamError
        `positive` is not a class, or the arrays have different lengths.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    Curves and areas equal those of scikit-learn's `roc_curve` and `roc_auc_score`; ties are one step, and points on a
    straight line are left out. The macro average is the mean of the curves at each false positive rate, so its area is the
    mean of the areas, as in `roc_auc_score(multi_class="ovr", average="macro")`. Rows with a null or NaN are left out, and
    the title says how many. Labels and scores of a Spark DataFrame are collected; for data that does not fit into the memory
    of the driver, pass the result of `ComputeModelStatistics`.

    Examples
    --------
    >>> from mmlrs.plot import plot_roc
    >>> ax = plot_roc(([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.5]))
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['AUC = 0.750', 'chance']
    >>> ax.get_title()
    'ROC curve, positive class 1'
    """
    found = curves_of(_FUNCTION, data, (label_col, score_col), (positive, labels), _traced, _STATISTICS)
    curves: list[Curve] = []
    for group in found.groups:
        curves += group
        if average and len(group) > 1:
            area = float(np.mean([curve.area for curve in group]))
            parts = (*group[0].parts[:-1], "macro average")
            curves.append(Curve(parts, *mean_curve(group), area, is_mean=True))
    ax = axes_of(_FUNCTION, ax, (found.width(), 5.2))
    _draw(ax, replace(found, groups=[curves]).all())
    ax.set_title(("ROC curve" if len(curves) == 1 else "ROC curves") + found.notes())
    return ax


def _draw(ax: Axes, curves: list[Curve]) -> None:
    handles, number = [], 0
    for curve in curves:
        style: dict[str, Any] = {"color": "black", "linestyle": (0, (1, 1)), "linewidth": 3}
        if not curve.is_mean:
            style = {**line_style(number), "linewidth": 1.8}
            number += 1
        handles += ax.plot(curve.x, curve.y, **style)
    names = [f"{curve.name}, AUC = {curve.area:.3f}".removeprefix(", ") for curve in curves]
    handles += ax.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color=GRAY)
    ax.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    legend(ax, handles, [*names, "chance"], "lower right")


def _traced(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats, float]:
    alarms, hits = roc(is_class, scores)
    return alarms, hits, area_under(alarms, hits)


def roc(is_class: npt.NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rates from the strictest threshold on, as scikit-learn's `roc_curve`."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(scores) - 1)
    hits = np.cumsum(is_class[order])[ends]
    alarms = 1 + ends - hits
    bends = np.ones(len(hits), bool)
    bends[1:-1] = (np.diff(alarms, 2) != 0) | (np.diff(hits, 2) != 0)
    hits, alarms = np.append(0, hits[bends]), np.append(0, alarms[bends])
    return alarms / alarms[-1], hits / hits[-1]


def area_under(alarms: Floats, hits: Floats) -> float:
    """Return the area under a curve by the trapezoidal rule."""
    return float(np.sum(np.diff(alarms) * (hits[1:] + hits[:-1]) / 2))


def mean_curve(curves: Sequence[Curve]) -> tuple[Floats, Floats]:
    """Return the mean of curves at each false positive rate. Where a curve is vertical, so is the mean."""
    rates = np.unique(np.concatenate([curve.x for curve in curves]))
    low = np.mean([_heights(curve, rates, "left") for curve in curves], axis=0)
    high = np.mean([_heights(curve, rates, "right") for curve in curves], axis=0)
    return np.repeat(rates, 2), np.column_stack([low, high]).ravel()


def _heights(curve: Curve, rates: Floats, side: Any) -> Floats:
    """Return the height of a curve at each rate, at the lower end ("left") or the upper end of a vertical part."""
    heights = np.interp(rates, curve.x, curve.y)
    on = np.isin(rates, curve.x)
    places = np.searchsorted(curve.x, rates[on], side) - (side == "right")
    heights[on] = curve.y[places]
    return heights
