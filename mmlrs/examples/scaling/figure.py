"""Draws pictures per second against executors, and against data size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlrs.examples.scaling.comparing import Comparison
from mmlrs.examples.scaling.model import ScalingModel
from mmlrs.plot.axes import COLOURS, GRAY, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw", "save"]

_FUNCTION = "scaling"
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw(
    model: ScalingModel, compared: Sequence[Comparison], *, most: int | None = None, per_machine: int = 1
) -> Figure:
    """Draw measurements, predictions and their intervals.

    Parameters
    ----------
    model : ScalingModel
        The fitted model.
    compared : sequence of Comparison
        The measurements, as `compare` returns them.
    most : int, optional
        Executors up to which to predict; by default those that were measured.
    per_machine : int, default 1
        Executors that share a machine, for the predictions of more executors than the model was fitted on.

    Returns
    -------
    matplotlib.figure.Figure
        The rate against executors, and the time against pictures.

    Raises
    ------
    MissingPackageError
        Matplotlib is not installed.
    """
    plt = pyplot(_FUNCTION)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
    _against_executors(left, model, compared, most, per_machine)
    _against_pictures(right, model, compared, per_machine)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as SVG and PNG, and close it. An SVG has the same bytes each time."""
    plt = pyplot(_FUNCTION)
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    with plt.rc_context({"svg.hashsalt": "mmlrs", "svg.fonttype": "none"}):
        figure.savefig(paths[0], metadata={"Date": None})
    figure.savefig(paths[1], dpi=120)
    plt.close(figure)
    return paths


def _steps(least: int, most: int) -> list[int]:
    """Return numbers of executors, evenly on a logarithmic axis."""
    if most <= least:
        return [least]
    steps = 24
    return sorted({round(least * (most / least) ** (i / steps)) for i in range(steps + 1)})


def _against_executors(
    ax: Axes, model: ScalingModel, compared: Sequence[Comparison], most: int | None, per_machine: int
) -> None:
    fitted_on = int(model.origin["executors"])
    last = most or max((c.predicted.executors for c in compared), default=fitted_on)
    sizes = sorted({c.predicted.pictures for c in compared})
    # A size for which no measured number of executors lasts: the curves of small sizes only show their fixed cost.
    shown = sizes[-2:] if most is None else [sizes[-1], max(sizes[-1], 1000 * most)]
    for number, pictures in enumerate(shown):
        colour = COLOURS[number]
        predicted = [
            model.predict(n, pictures, per_machine=1 if n <= fitted_on else per_machine)
            for n in _steps(fitted_on, last)
        ]
        counts = [p.executors for p in predicted]
        ax.plot(counts, [p.rate for p in predicted], color=colour, label=f"predicted, {pictures:,} pictures")
        low, high = zip(*(p.rates for p in predicted))
        ax.fill_between(counts, low, high, color=colour, alpha=0.2, linewidth=0)
        _points(ax, compared, pictures, (colour, _MARKERS[number]))
    first = model.predict(fitted_on, shown[-1]).rate
    ax.plot(
        [fitted_on, last],
        [first, first * last / fitted_on],
        "--",
        color=GRAY,
        linewidth=1,
        label="proportional",
    )
    ax.set(xlabel="executors", ylabel="pictures per second", title="Rate against executors")
    if last > 16 * fitted_on:
        ax.set(xscale="log", yscale="log")
    else:
        ax.set(ylim=(0, None), xticks=sorted({c.predicted.executors for c in compared} | {fitted_on}))
    ax.legend(fontsize="small")


def _points(ax: Axes, compared: Sequence[Comparison], pictures: int, style: tuple[str, str]) -> None:
    chosen = [c for c in compared if c.predicted.pictures == pictures]
    if not chosen:
        return
    rates = [pictures / c.measured for c in chosen]
    below = [rate - pictures / c.most for rate, c in zip(rates, chosen)]
    above = [pictures / c.least - rate for rate, c in zip(rates, chosen)]
    counts = [c.predicted.executors for c in chosen]
    bars: dict[str, Any] = {"color": style[0], "marker": style[1], "linestyle": "none", "capsize": 3}
    ax.errorbar(counts, rates, yerr=[below, above], label=f"measured, {pictures:,} pictures", **bars)


def _against_pictures(
    ax: Axes, model: ScalingModel, compared: Sequence[Comparison], per_machine: int
) -> None:
    fitted_on = int(model.origin["executors"])
    for number, executors in enumerate(sorted({c.predicted.executors for c in compared})):
        colour = COLOURS[number % len(COLOURS)]
        chosen = [c for c in compared if c.predicted.executors == executors]
        sizes = [c.predicted.pictures for c in chosen]
        grid = _steps(min(sizes), max(sizes))
        predicted = [
            model.predict(executors, size, per_machine=1 if executors <= fitted_on else per_machine)
            for size in grid
        ]
        name = f"{executors} executor" + ("" if executors == 1 else "s")
        ax.plot(grid, [p.seconds for p in predicted], color=colour, label=f"{name}, predicted")
        ax.fill_between(
            grid,
            [p.low for p in predicted],
            [p.high for p in predicted],
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
        for fitted in (True, False):
            part = [c for c in chosen if c.fitted is fitted]
            if part:
                ax.plot(
                    [c.predicted.pictures for c in part],
                    [c.measured for c in part],
                    linestyle="none",
                    color=colour,
                    marker=_MARKERS[number % len(_MARKERS)],
                    fillstyle="full" if fitted else "none",
                    label=f"{name}, measured{', fitted' if fitted else ''}",
                )
    # All points, with a margin.
    ax.autoscale_view()
    top = max([c.measured for c in compared] + [ax.get_ylim()[1]])
    ax.set(
        xlabel="pictures",
        ylabel="seconds",
        title="Time against pictures",
        xlim=(0, None),
        ylim=(0, 1.05 * top),
    )
    ax.legend(fontsize="small")
