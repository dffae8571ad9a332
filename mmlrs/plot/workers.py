"""The estimate of how many workers a training is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlrs._messages import counted, shown
from mmlrs.ann import WorkerEstimate
from mmlrs.errors import InvalidParamError
from mmlrs.plot.axes import COLOURS, GRAY, axes_of, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_workers"]

_FUNCTION = "plot_workers"


def plot_workers(estimate: WorkerEstimate, *, ax: Axes | None = None) -> Axes:
    """Plot the estimated speed-up of a training over the number of workers.

    Parameters
    ----------
    estimate : mmlrs.ann.WorkerEstimate
        The result of `mmlrs.ann.estimate_workers`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a line for sums over TCP and one for gradients that the driver collects. A ring marks the smallest number of
        workers within 10% of the best time, crosses what was measured. Below the gray line of efficiency 50% more than half of the
        time is waiting.

    Raises
    ------
    InvalidParamError
        `estimate` is not the result of `estimate_workers`.
    MissingPackageError
        Matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as pa
    >>> from mmlrs.ann import MultilayerPerceptronRegressor, estimate_workers
    >>> from mmlrs.plot import plot_workers
    >>> values = np.random.default_rng(0).normal(size=(200, 4))
    >>> rows = pa.table({"features": values.tolist(), "label": values[:, 0]})
    >>> estimate = estimate_workers(MultilayerPerceptronRegressor(layers=[4, 8, 1]), rows, workers=[1, 2, 4, 8])
    >>> ax = plot_workers(estimate)
    >>> ax.lines[0].get_xdata().tolist()
    [1, 2, 4, 8]
    """
    if not isinstance(estimate, WorkerEstimate):
        raise InvalidParamError(
            f"{_FUNCTION}: param `estimate` must be the result of mmlrs.ann.estimate_workers, got {shown(estimate)}"
        )
    ax = axes_of(_FUNCTION, ax, (6.8, 4.4))
    handles, names = [], []
    for times, name, style, colour in (
        (estimate.reduce, "sums over TCP", "-", COLOURS[0]),
        (estimate.collect, "collected by the driver", "--", COLOURS[1]),
    ):
        speeds = times.speed_up
        handles += ax.plot(times.workers, speeds, style, color=colour, linewidth=1.8)
        names.append(f"{name}: {counted(times.enough, 'worker')}")
        ring = speeds[times.workers.index(times.enough)]
        ax.plot(times.enough, ring, "o", ms=10, mfc="none", mec=colour, mew=1.6)
    most = max(*estimate.reduce.speed_up, *estimate.collect.speed_up)
    largest = estimate.reduce.workers[-1]
    for slope, name, style in ((1.0, "no waiting", ":"), (0.5, "efficiency 50%", "-.")):
        end = min(largest, 1.15 * most / slope)
        handles += ax.plot([0, end], [0, slope * end], style, color=GRAY, linewidth=1)
        names.append(name)
    points = [(n, estimate.gradient / seconds) for n, seconds in estimate.measured.items() if n <= largest]
    handles += ax.plot(*zip(*points, strict=True), "x", color="black", ms=7, mew=1.6)
    names.append("measured")
    ax.set(xlabel="workers", ylabel="speed-up", xlim=(0, 1.03 * largest), ylim=(0, 1.18 * max(1.0, most)))
    ax.set_title(
        f"speed-up of {counted(estimate.rows, 'row')} and {counted(estimate.parameters, 'weight')}\n"
        "rings: within 10% of the best time"
    )
    ax.grid(alpha=0.3)
    legend(ax, handles, names, "best")
    return ax
