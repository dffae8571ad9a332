"""The history of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import shown
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot.axes import GRAY, axes_of, legend, line_style, shortened_all
from mmlrs.plot.rows import Floats, column_names, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_training"]

_FUNCTION = "plot_training"
_NAME = 30
#: How many times larger the largest value is than the smallest one on a logarithmic axis.
_DECADE = 10.0
#: The columns of the curves, with their names in the legend.
_DRAWN = {
    "loss": (("loss", "training"), ("validation_loss", "validation")),
    "metric": (("validation_metric", "validation"),),
}


@dataclass(frozen=True)
class _History:
    """The columns of a history."""

    iterations: Floats
    columns: dict[str, Floats]
    #: The number of the first row of each training after the first one.
    restarts: list[int]

    def places(self, x: str) -> Floats:
        """Return the place of each row on the horizontal axis. A training that follows another one continues to the right."""
        if x == "seconds":
            return np.cumsum(self.columns["seconds"])
        places = self.iterations.copy()
        for row in self.restarts:
            # The loss before the first iteration is at the place of the last one of the training before.
            places[row:] = self.iterations[row:] + places[row - 1]
        return places


def plot_training(
    data: Any, *, y: str = "loss", x: str = "iteration", log: bool | None = None, ax: Axes | None = None
) -> Axes:
    """Plot the loss of a training after each iteration or epoch, on the rows of the training and on the validation rows.

    Parameters
    ----------
    data : model, dataset, or mapping of these
        A model of `mmlrs.ann`, or its `history`, as a pyarrow, pandas, polars or Spark table. A mapping from names to these compares
        them.
    y : {"loss", "metric"}, default "loss"
        What is drawn: the losses, or the metric of the validation rows, which is the accuracy of a classifier and the root mean
        squared error of other networks.
    x : {"iteration", "seconds"}, default "iteration"
        The horizontal axis: the number of the iteration or epoch, or the seconds of the training.
    log : bool, optional
        Whether the vertical axis is logarithmic. By default it is if `y` is "loss", all values are positive, and the largest one is at
        least ten times the smallest one.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes. A solid line is the loss of the training, a dashed one in the same colour that of the validation rows. A ring
        marks the smallest loss of the validation rows. The trainings of a `StackedAutoEncoder` follow one another, with a
        dotted line between them.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        A column of the history is missing, or `data` is no model and no table.
    DecodeError
        A history has no rows, or nothing of what `y` names.
    InvalidParamError
        `x`, `y` or `log` has another value, or the mapping is empty.
    MissingPackageError
        Matplotlib is not installed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.ann import MultilayerPerceptronClassifier
    >>> from mmlrs.plot import plot_training
    >>> rows = pa.table({"features": [[0.0], [1.0], [2.0], [3.0]], "label": [0.0, 0.0, 1.0, 1.0]})
    >>> model = MultilayerPerceptronClassifier(layers=[1, 2], maxIter=5).fit(rows)
    >>> ax = plot_training(model)
    >>> ax.lines[0].get_xdata().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    for param, value, choices in (("y", y, list(_DRAWN)), ("x", x, ["iteration", "seconds"])):
        if value not in choices:
            raise InvalidParamError(
                f'{_FUNCTION}: param `{param}` must be "{choices[0]}" or "{choices[1]}", got {shown(value)}'
            )
    if log is not None and not isinstance(log, bool):
        raise InvalidParamError(f"{_FUNCTION}: param `log` must be a bool, got {shown(log)}")
    histories = _histories(data, y)
    ax = axes_of(_FUNCTION, ax, (6.4, 4.2))
    drawn = _draw(ax, histories, x, y)
    _finish(ax, histories, x, y)
    if log or (log is None and y == "loss" and _spans(drawn)):
        ax.set_yscale("log")
    return ax


def _histories(data: Any, y: str) -> dict[str, _History]:
    """Return the histories by their names; a single one has the name ""."""
    if isinstance(data, Mapping) and not data:
        raise InvalidParamError(f"{_FUNCTION}: param `data` names no training")
    named = {str(k): v for k, v in data.items()} if isinstance(data, Mapping) else {"": data}
    histories = {name: _history(name, value) for name, value in named.items()}
    for name, history in histories.items():
        if not any(np.isfinite(history.columns[column]).any() for column, _ in _DRAWN[y]):
            reason = "its loss" if y == "loss" else "its metric; there were no rows to validate on"
            raise DecodeError(f"{_where(name)}: the history does not have {reason}")
    return histories


def _where(name: str) -> str:
    return f"{_FUNCTION}: model `{name}`" if name else _FUNCTION


def _history(name: str, value: Any) -> _History:
    """Return the history of a model, or a table as a history."""
    where = _where(name)
    table = getattr(value, "history", value)
    if not (is_spark(table) or is_table(table)):
        if hasattr(value, "fit"):
            raise SchemaMismatchError(
                f"{where}: {type(value).__name__} is an estimator and has no history; plot the model that its `fit` returns"
            )
        raise refused(where, "read", table)
    optional = ("validation_loss", "validation_metric", "seconds")
    present = column_names(table)
    wanted = {c: c for c in ("iteration", "loss", *(c for c in optional if c in present))}
    rows = read(where, table, wanted)
    columns = {role: rows.numbers(role) for role in wanted}
    count = len(columns["loss"])
    if not count:
        raise DecodeError(f"{where}: the history has no rows; only a model that was trained has one")
    iterations = columns.pop("iteration")
    if not np.isfinite(iterations).all():
        raise SchemaMismatchError(f"{where}: column `iteration` has a null or NaN")
    for column in optional:
        columns.setdefault(column, np.full(count, np.nan))
    return _History(iterations, columns, [int(row) + 1 for row in np.flatnonzero(np.diff(iterations) <= 0)])


def _draw(ax: Axes, histories: dict[str, _History], x: str, y: str) -> list[Floats]:
    """Draw the curves and the legend; return the values that are drawn."""
    handles, names, drawn = [], [], []
    short = shortened_all(list(histories), _NAME) if len(histories) > 1 else [""]
    for number, (name, history) in enumerate(zip(short, histories.values(), strict=True)):
        places = history.places(x)
        if x == "seconds" and not np.isfinite(places).all():
            raise DecodeError(f"{_where(name)}: the history does not have the seconds of each iteration")
        for column, what in _DRAWN[y]:
            values = history.columns[column]
            good = np.isfinite(values)
            if not good.any():
                continue
            style = line_style(number)
            is_second = column != _DRAWN[y][0][0]
            style |= {"linestyle": "--"} if is_second else {}
            marker: dict[str, Any] = {"marker": "o", "markersize": 4} if good.sum() == 1 else {}
            points = (
                np.insert(a, history.restarts, np.nan) for a in (places, np.where(good, values, np.nan))
            )
            handles += ax.plot(*points, linewidth=1.6, **style, **marker)
            names.append(", ".join(part for part in (name, what if y == "loss" or not name else "") if part))
            drawn.append(values[good])
            if column == "validation_loss":
                best = int(np.nanargmin(np.where(good, values, np.nan)))
                ax.plot(places[best], values[best], "o", ms=9, mfc="none", mec=style["color"], mew=1.4)
        for row in history.restarts:
            ax.axvline(places[row], color=GRAY, linestyle=":", linewidth=1)
    legend(ax, handles, names, "best")
    return drawn


def _spans(drawn: list[Floats]) -> bool:
    """Return whether the values are easier to read on a logarithmic axis."""
    low, high = min(values.min() for values in drawn), max(values.max() for values in drawn)
    return bool(low > 0 and high >= _DECADE * low)


def _finish(ax: Axes, histories: dict[str, _History], x: str, y: str) -> None:
    """Label the axes."""
    from matplotlib.ticker import MaxNLocator

    # A solver that reads all rows in each step has a line for the loss before the first one.
    starts = {history.iterations[0] == 0 for history in histories.values()}
    unit = {(True,): "iteration", (False,): "epoch"}.get(tuple(starts), "iteration or epoch")
    ax.set_xlabel("seconds" if x == "seconds" else unit)
    ax.set_ylabel("loss" if y == "loss" else "metric of the validation rows")
    ax.set_title(f"{y} after each {unit}" if x == "iteration" else f"{y} over time")
    if x == "iteration":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
