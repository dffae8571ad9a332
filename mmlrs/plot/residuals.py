"""Residuals of a regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import counted
from mmlrs.errors import DecodeError
from mmlrs.plot.axes import COLOURS, GRAY, axes_of, whole
from mmlrs.plot.rows import left_out, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_residuals"]

_FUNCTION = "plot_residuals"


def plot_residuals(
    data: Any,
    label_col: str = "label",
    prediction_col: str = "prediction",
    *,
    max_points: int = 5000,
    ax: Axes | None = None,
) -> Axes:
    """Plot the residuals of a regression, label minus prediction, over the predictions.

    Parameters
    ----------
    data : dataset or pair of arrays
        The scored rows: a Spark DataFrame, a pyarrow, pandas or polars table, or the pair of arrays `(labels, predictions)`.
    label_col, prediction_col : str, default "label" and "prediction"
        Names of the columns of numbers.
    max_points : int, default 5000
        Above this number of rows, hexagons coloured by their number of rows, on a logarithmic scale, replace the points.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with the points or hexagons in `ax.collections[0]` and a line at zero. The title gives the root mean squared
        error (RMSE).

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        There is no such column, or it does not hold numbers.
    DecodeError
        No row has a label and a prediction that are finite.
    InvalidParamError
        `max_points` is negative.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    This is the plot "residual_vs_predicted" of scikit-learn's `PredictionErrorDisplay`. Rows with a null, NaN or infinity
    are left out, and the title says how many. The two columns of a Spark DataFrame are collected.

    Examples
    --------
    >>> from mmlrs.plot import plot_residuals
    >>> ax = plot_residuals(([3.0, 5.0], [2.5, 6.0]))
    >>> ax.collections[0].get_offsets().tolist()
    [[2.5, 0.5], [6.0, -1.0]]
    """
    max_points = whole(_FUNCTION, "max_points", max_points, 0)
    rows = read(_FUNCTION, data, {"label": label_col, "prediction": prediction_col})
    truth, guess = rows.numbers("label"), rows.numbers("prediction")
    if not len(truth):
        raise DecodeError(f"{rows.where('label')}: has no value: the dataset has no rows")
    with np.errstate(invalid="ignore", over="ignore"):
        residuals = truth - guess
    good = np.isfinite(residuals)
    if not good.any():
        raise DecodeError(
            f"{rows.where('prediction')}: no row has a label and a prediction that are finite numbers"
        )
    ax = axes_of(_FUNCTION, ax, (6.4, 4.4))
    x, y = guess[good], residuals[good]
    if len(x) > max_points:
        cells = ax.hexbin(x, y, gridsize=50, bins="log", mincnt=1, cmap="viridis_r", linewidths=0.2)
        ax.figure.colorbar(cells, ax=ax, label="rows")
    else:
        faint = float(np.clip(20 / np.sqrt(len(x)), 0.25, 0.9))
        ax.scatter(x, y, s=18, color=COLOURS[0], alpha=faint, linewidths=0)
    ax.axhline(0, color=GRAY if len(x) <= max_points else "black", linestyle="--", linewidth=1)
    rmse = float(np.sqrt(np.mean(y**2)))
    ax.set(xlabel="prediction", ylabel="residual (label minus prediction)")
    title = f"residuals of {counted(len(x), 'row')}, RMSE {rmse:.4g}"
    ax.set_title(title + left_out(int(np.count_nonzero(~good)), "with null or infinity"))
    return ax
