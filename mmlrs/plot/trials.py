"""The trials of a search for hyper-parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import counted
from mmlrs.engine.columns import Columns
from mmlrs.engine.datasets import is_spark, is_table, refused
from mmlrs.engine.table import to_table
from mmlrs.errors import DecodeError, SchemaMismatchError
from mmlrs.plot.axes import COLOURS, GRAY, axes_of, extent_of, legend, plain, shortened_all

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_trials"]

_FUNCTION = "plot_trials"
#: Number of trials whose learners are named on the axis, letters of a name, and points that one needs beside the next.
_NAMED = 20
_NAME = 36
_ROOM = 12
_MARKERS = "osD^vP<>h"


def plot_trials(table: Any, *, metric: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot the metric of every trial of a search.

    Parameters
    ----------
    table : TuneHyperparametersModel, FindBestModel's model, or dataset
        The fitted search, or its table `getAllModelMetrics()`, as a pyarrow, pandas, polars or Spark table. Needs the
        columns `metric` and `model_name`, and uses `trial`, `learner`, `parameters`, `folds`, `standard_deviation` and
        `best` if they exist.
    metric : str, optional
        Name of the metric on the axis. By default the one of the search, or "metric" for a table.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with the points of each learner in one colour. Up to 20 trials have the name of their learner on the axis,
        if there is room; others have their number. Error bars are the standard deviation of the folds, if there are
        several. The best trial has a ring and its value. A trial without metric, because it failed or because the metric is
        not defined, is a cross at the bottom.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        A column is missing or has another type than in the table of a search.
    DecodeError
        The table has no rows, or no trial has a metric.
    MissingPackageError
        Matplotlib is not installed.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.plot import plot_trials
    >>> names = ["LogisticRegression_1", "DecisionTree_2"]
    >>> ax = plot_trials(pa.table({"model_name": names, "metric": [0.7, 0.9], "best": [False, True]}), metric="AUC")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['LogisticRegression', 'DecisionTree', 'best, 0.9']
    """
    if hasattr(table, "getAllModelMetrics"):
        metric = metric or table.getEvaluationMetric()
        table = table.getAllModelMetrics()
    rows = _rows(table)
    is_named = len(rows) <= _NAMED and all(row["learner"] for row in rows)
    size = (max(8.0, min(14.0, 5 + 0.16 * len(rows))), 5.4 if is_named else 4.2)
    ax = axes_of(_FUNCTION, ax, size)
    handles, names = [], []
    learners = _learners(rows)
    for number, learner in enumerate(dict.fromkeys(learners)):
        own = [row for row, name in zip(rows, learners) if name == learner and row["metric"] is not None]
        if own:
            handles.append(_points(ax, own, number))
            names.append(learner)
    names = shortened_all(names, 44)
    best = next((row for row in rows if row["best"] and row["metric"] is not None), None)
    if best is not None:
        ring = ax.plot(
            best["trial"],
            best["metric"],
            "o",
            ms=13,
            mfc="none",
            mec="black",
            mew=1.5,
            zorder=4,
            linestyle="none",
        )
        handles += ring
        names.append(f"best, {best['metric']:.4g}")
    failed = [row["trial"] for row in rows if row["metric"] is None]
    if failed:
        handles += ax.plot(
            failed,
            np.full(len(failed), 0.03),
            "x",
            color=GRAY,
            transform=ax.get_xaxis_transform(),
            linestyle="none",
        )
        names.append(f"{counted(len(failed), 'trial')} without metric")
    _finish(ax, rows, plain(metric or "metric"))
    _name_trials(ax, rows, is_named)
    legend(ax, handles, names)
    return ax


def _rows(table: Any) -> list[dict[str, Any]]:
    """Return the rows of the table of a search, with None for the columns that it lacks."""
    if not (is_spark(table) or is_table(table)):
        raise refused(_FUNCTION, "read", table)
    if is_spark(table):
        from mmlrs.engine.versions import table_of

        table = table_of(table)
    else:
        table = to_table(table)
    Columns(table.column_names, _FUNCTION).resolve_all(["metric", "model_name"])
    rows = table.to_pylist()
    known = ("trial", "model_name", "learner", "parameters", "metric", "standard_deviation", "folds", "best")
    filled = [{name: row.get(name) for name in known} for row in rows]
    for number, row in enumerate(filled):
        row["trial"] = number + 1 if row["trial"] is None else row["trial"]
        if row["metric"] is not None and not isinstance(row["metric"], int | float):
            raise SchemaMismatchError(
                f"{_FUNCTION}: column `metric`, row {number}: {row['metric']!r} is not a number"
            )
        if row["metric"] is not None and not np.isfinite(row["metric"]):
            row["metric"] = None
    if all(row["metric"] is None for row in filled):
        raise DecodeError(
            f"{_FUNCTION}: column `metric`: {'no trial has a metric' if rows else 'there are no trials'}"
        )
    return filled


def _learners(rows: list[dict[str, Any]]) -> list[str]:
    """Return the name of each row's learner: its class, with what distinguishes it from others of the class."""
    uids = [str(row["model_name"]) for row in rows]
    names = {uid: _class_of(uid) for uid in uids}
    owners: dict[str, set[str]] = {uid: set() for uid in uids}
    for uid, row in zip(uids, rows):
        owners[uid] |= _owners(row["parameters"])
    for uid, name in names.items():
        inner = sorted(owner for owner in owners[uid] if owner != name)
        if inner:
            names[uid] = f"{name}({', '.join(inner)})"
    names |= {uid: _classes_in(row["learner"]) for uid, row in zip(uids, rows) if row["learner"]}
    return [_distinct(uid, names) for uid in uids]


def _classes_in(learner: str) -> str:
    """Return the name of a learner without its params, which are in parentheses."""
    while (plainer := re.sub(r"\([^()]*\)", "", learner)) != learner:
        learner = plainer
    return learner


def _distinct(uid: str, names: dict[str, str]) -> str:
    same = sum(name == names[uid] for name in names.values())
    return names[uid] if same == 1 else f"{names[uid]} {uid.rpartition('_')[2]}"


def _class_of(uid: str) -> str:
    name, _, number = uid.rpartition("_")
    return name if name and number.isalnum() else uid


def _owners(parameters: Any) -> set[str]:
    """Return the classes whose params a trial sets."""
    try:
        params = json.loads(parameters)
    except (TypeError, ValueError):
        return set()
    return {name.partition(".")[0] for name in params} if isinstance(params, dict) else set()


def _points(ax: Axes, rows: Sequence[dict[str, Any]], number: int) -> Any:
    """Draw the trials of a learner, with the spread of their folds."""
    spreads = [_spread(row) for row in rows]
    return ax.errorbar(
        [row["trial"] for row in rows],
        [row["metric"] for row in rows],
        yerr=spreads if any(spreads) else None,
        fmt=_MARKERS[number % len(_MARKERS)],
        color=COLOURS[number % len(COLOURS)],
        markersize=6,
        elinewidth=1,
        capsize=2,
    )


def _spread(row: dict[str, Any]) -> float:
    """Return the standard deviation of the folds, or 0 for a single fold."""
    folds = [value for value in row["folds"] or [] if value is not None]
    if row["folds"] is not None and len(folds) < 2:
        return 0.0
    spread = (
        row["standard_deviation"]
        if row["standard_deviation"] is not None
        else (np.std(folds) if folds else 0)
    )
    return float(spread) if np.isfinite(spread) else 0.0


def _finish(ax: Axes, rows: list[dict[str, Any]], metric: str) -> None:
    ax.set(xlabel="trial", ylabel=metric)
    ax.set_title(f"{metric} of {counted(len(rows), 'trial')}")
    numbers = [row["trial"] for row in rows]
    ax.set_xlim(min(numbers) - 0.7, max(numbers) + 0.7)
    ax.margins(y=0.15)
    ax.grid(axis="y", alpha=0.3)


def _name_trials(ax: Axes, rows: list[dict[str, Any]], is_named: bool) -> None:
    """Write the learner of each trial below the axis, or numbers if there is no room or no name."""
    from matplotlib.ticker import MaxNLocator

    if is_named and extent_of(ax)[0] / len(rows) >= _ROOM:
        texts = shortened_all([row["learner"] for row in rows], _NAME)
        numbers = [row["trial"] for row in rows]
        ax.set_xticks(numbers, texts, rotation=35, ha="right", rotation_mode="anchor", fontsize="small")
        ax.set_xlabel("")
    else:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
