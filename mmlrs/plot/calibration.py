"""Reliability curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mmlrs._messages import shown
from mmlrs.errors import InvalidParamError, SchemaMismatchError
from mmlrs.plot.axes import GRAY, axes_of, legend, line_style, one_line, shortened_all, whole
from mmlrs.plot.curves import positive_text
from mmlrs.plot.rows import Floats, Rows, left_out, models_in, read
from mmlrs.plot.scores import Outcomes, outcomes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_calibration"]

_MAX_BINS = 1000


def plot_calibration(
    data: Any,
    label_col: str = "label",
    score_col: str = "probability",
    *,
    bins: int = 10,
    strategy: Literal["uniform", "quantile"] = "uniform",
    positive: Any = None,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot how often the positive class occurs over its predicted probability, and how many rows each bin has.

    Parameters
    ----------
    data : dataset, pair of arrays, or mapping
        The scored rows: a Spark DataFrame, a pyarrow, pandas or polars table, or the pair of arrays
        `(labels, probabilities)`. A mapping such as `{"tree": a, "line": b}` compares models.
    label_col : str, default "label"
        Name of the column of labels: text, numbers, booleans or dates.
    score_col : str, default "probability"
        Name of the column of probabilities of the positive class, from 0 to 1, or of vectors with a probability per class.
    bins : int, default 10
        Number of bins, 1 to 1000. Empty bins have no point.
    strategy : {"uniform", "quantile"}, default "uniform"
        Bins of equal width, or of about equal numbers of rows.
    positive : object, optional
        The positive class; by default the second of two classes. Required if there are more classes.
    labels : sequence, optional
        The classes in the order of the probabilities in a vector. By default the classes in the metadata of the columns, or class
        numbers. With one probability per row, by default the labels in ascending order.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a line per model and the diagonal. The histogram of the rows per bin is in axes below, for which `ax`
        becomes smaller: the next axes of the figure, with the label "rows per bin". The legend gives the Brier score, the mean
        squared difference of probability and outcome, and the title the positive class.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        There is no such column, or it has a type that cannot be read, or there are more than two classes without
        `positive`.
    DecodeError
        There are no rows, the label has only one class, or a probability is outside 0 to 1.
    InvalidParamError
        `bins`, `strategy` or `positive` is not valid.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    Points and Brier scores equal those of scikit-learn's `calibration_curve` and `brier_score_loss`. Rows with a null or NaN
    are left out, and the title says how many. Labels and scores of a Spark DataFrame are collected.

    Examples
    --------
    >>> from mmlrs.plot import plot_calibration
    >>> ax = plot_calibration(([0, 0, 1, 1], [0.1, 0.3, 0.7, 0.8]), bins=2)
    >>> ax.lines[0].get_xydata().tolist()
    [[0.2, 0.0], [0.75, 1.0]]
    >>> ax.get_legend().get_texts()[0].get_text()
    'Brier score = 0.058'
    """
    function = "plot_calibration"
    bins = whole(function, "bins", bins, 1, _MAX_BINS)
    if strategy not in ("uniform", "quantile"):
        raise InvalidParamError(
            f'{function}: param `strategy` must be "uniform" or "quantile", got {shown(strategy)}'
        )
    models = {
        name: _probabilities(
            read(function, dataset, {"label": label_col, "score": score_col}), positive, labels
        )
        for name, dataset in models_in(function, data).items()
    }
    ax = axes_of(function, ax, (6.0 if len(models) == 1 else 8.6, 6.0))
    below = _axes_below(ax)
    handles, names = [], []
    short = dict(zip(models, shortened_all(list(models), 28)))
    for number, (name, found) in enumerate(models.items()):
        is_positive, scores = found.hits[0], found.scores[0]
        edges, counts, means, shares = calibration(is_positive, scores, bins, strategy)
        style = line_style(number)
        handles += ax.plot(means, shares, marker="o", markersize=5, **style)
        below.stairs(counts, edges, fill=len(models) == 1, linewidth=1.5, **style)
        brier = f"Brier score = {np.mean((scores - is_positive) ** 2):.3f}"
        names.append(f"{short[name]}, {brier}" if name else brier)
    _finish(ax, below, handles, names)
    positives = [one_line(found.classes[0]) for found in models.values()]
    missing = sum(found.missing for found in models.values())
    ax.set_title("calibration" + positive_text(positives, len(models)) + left_out(missing))
    return ax


def _axes_below(ax: Axes) -> Axes:
    """Return new axes in the lower part of the place of `ax`, which keeps the upper part."""
    spec, figure = ax.get_subplotspec(), ax.figure
    below: Axes
    if spec is not None:
        parts = spec.subgridspec(2, 1, height_ratios=(4, 1), hspace=0.12)
        ax.set_subplotspec(parts[0])
        below = figure.add_subplot(parts[1], sharex=ax, label="rows per bin")
    else:  # axes at a place of the user's choice
        box = ax.get_position()
        ax.set_position((box.x0, box.y0 + 0.28 * box.height, box.width, 0.72 * box.height))
        place = (box.x0, box.y0, box.width, 0.18 * box.height)
        below = figure.add_axes(place, sharex=ax, label="rows per bin")
    return below


def _finish(ax: Axes, below: Axes, handles: list[Any], names: list[str]) -> None:
    handles += ax.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color=GRAY)
    ax.set(ylabel="share of the positive class", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.tick_params(labelbottom=False)
    below.set(xlabel="predicted probability", ylabel="rows")
    below.set_ylim(bottom=0)
    # Curves of several models leave no corner free for long names.
    legend(ax, handles, [*names, "perfect"], "upper left" if len(names) == 1 else None)


def _probabilities(rows: Rows, positive: Any, labels: Sequence[Any] | None) -> Outcomes:
    """Return the rows and the probabilities of the positive class."""
    rows.check_probabilities("score")
    found = outcomes(rows, positive, labels)
    if len(found.classes) > 1 or found.absent:
        raise SchemaMismatchError(
            f"{rows.where('label')}: has more than two classes; name one of {shown(found.classes)} in `positive`"
        )
    return found


def calibration(
    is_positive: npt.NDArray[np.bool_], scores: Floats, bins: int, strategy: str
) -> tuple[Floats, npt.NDArray[np.int64], Floats, Floats]:
    """Return the edges and counts of all bins, and the mean score and share of positives of those that are not empty.

    As in scikit-learn's `calibration_curve`, a bin includes its upper edge.
    """
    edges = np.linspace(0, 1, bins + 1)
    if strategy == "quantile":
        edges = np.percentile(scores, edges * 100)
    places = np.searchsorted(edges[1:-1], scores)
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    sums = np.bincount(places, scores, minlength=bins)
    positives = np.bincount(places, is_positive, minlength=bins)
    return edges, counts, sums[filled] / counts[filled], positives[filled] / counts[filled]
