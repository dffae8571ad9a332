"""Plots of the statistics of a classifier, with matplotlib (the extra `plot`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs.base import is_spark
from mmlrs.engine import table as tables
from mmlrs.engine.datasets import is_table, refused
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion_matrix", "plot_precision_recall", "plot_roc"]


def _row(statistics: Any, *columns: str) -> dict[str, Any]:
    """Return the first row of statistics. Raise if a column is missing."""
    if not (is_spark(statistics) or is_table(statistics)):
        raise refused("plot", "read", statistics)
    if is_spark(statistics):
        from mmlrs.engine.versions import table_of

        table = table_of(statistics)
    else:
        table = tables.to_table(statistics)
    if table.num_rows == 0:
        raise SchemaMismatchError("the statistics have no row")
    row: dict[str, Any] = table.slice(0, 1).to_pylist()[0]
    for name in columns:
        if name not in row:
            raise SchemaMismatchError(
                f"column `{name}`: not found; the plot needs the result of ComputeModelStatistics for a classifier"
            )
        if row[name] is None:
            raise SchemaMismatchError(
                f"column `{name}`: is null; curves need two classes and scores, and the matrix needs predictions"
            )
    return row


def _axes(function: str, ax: Axes | None) -> Axes:
    from mmlrs.plot.axes import axes_of

    return axes_of(function, ax)


def _rates(row: dict[str, Any], *names: str) -> list[np.ndarray]:
    return [np.array([point[name] for point in row["curve"]], dtype=float) for name in names]


def plot_roc(statistics: Any, ax: Axes | None = None) -> Axes:
    """Plot the ROC curve of a classifier of two classes.

    Parameters
    ----------
    statistics : DataFrame, pyarrow.Table or pandas.DataFrame
        Result of `ComputeModelStatistics`. The first row is used.
    ax : matplotlib.axes.Axes, optional
        Axes to plot on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    SchemaMismatchError
        The statistics have no row or no curve.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.train import ComputeModelStatistics, plot_roc
    >>> scored = pa.table({"label": [0, 1, 1, 0], "score": [0.1, 0.9, 0.4, 0.5]})
    >>> statistics = ComputeModelStatistics(labelCol="label", scoresCol="score").transform(scored)
    >>> plot_roc(statistics).get_title()
    'ROC curve, AUC = 0.750'
    """
    row = _row(statistics, "curve", "AUC")
    alarms, hits = _rates(row, "false_positive_rate", "true_positive_rate")
    ax = _axes("plot_roc", ax)
    ax.plot(alarms, hits)
    ax.plot([0, 1], [0, 1], linestyle="--", linewidth=1, color="grey")
    ax.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        title=f"ROC curve, AUC = {row['AUC']:.3f}",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    return ax


def plot_precision_recall(statistics: Any, ax: Axes | None = None) -> Axes:
    """Plot the precision of a classifier of two classes over its recall, as steps without interpolation.

    Parameters
    ----------
    statistics : DataFrame, pyarrow.Table or pandas.DataFrame
        Result of `ComputeModelStatistics`. The first row is used.
    ax : matplotlib.axes.Axes, optional
        Axes to plot on; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    SchemaMismatchError
        The statistics have no row or no curve.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.train import ComputeModelStatistics, plot_precision_recall
    >>> scored = pa.table({"label": [0, 1, 1, 0], "score": [0.1, 0.9, 0.4, 0.2]})
    >>> statistics = ComputeModelStatistics(labelCol="label", scoresCol="score").transform(scored)
    >>> plot_precision_recall(statistics).get_title()
    'precision and recall, average precision = 1.000'
    """
    row = _row(statistics, "curve", "areaUnderPR")
    recall, precision = _rates(row, "true_positive_rate", "precision")
    ax = _axes("plot_precision_recall", ax)
    ax.step(recall, precision, where="pre")
    ax.set(
        xlabel="recall",
        ylabel="precision",
        title=f"precision and recall, average precision = {row['areaUnderPR']:.3f}",
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
    )
    return ax


def plot_confusion_matrix(statistics: Any, ax: Axes | None = None, *, normalize: bool = False) -> Axes:
    """Plot the confusion matrix of a classifier, with true labels as rows and predicted labels as columns.

    Parameters
    ----------
    statistics : DataFrame, pyarrow.Table or pandas.DataFrame
        Result of `ComputeModelStatistics`. The first row is used.
    ax : matplotlib.axes.Axes, optional
        Axes to plot on; by default those of a new figure.
    normalize : bool, default False
        Show the fractions of each true label instead of the counts.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    SchemaMismatchError
        The statistics have no row or no confusion matrix.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.train import ComputeModelStatistics, plot_confusion_matrix
    >>> scored = pa.table({"label": ["cat", "dog", "dog"], "prediction": ["cat", "dog", "cat"]})
    >>> stage = ComputeModelStatistics(evaluationMetric="classification", labelCol="label", scoredLabelsCol="prediction")
    >>> ax = plot_confusion_matrix(stage.transform(scored))
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '1', '1']
    """
    row = _row(statistics, "confusion_matrix", "labels")
    matrix = np.array(row["confusion_matrix"], dtype=float)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    values = share if normalize else matrix
    ax = _axes("plot_confusion_matrix", ax)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    places = range(len(matrix))
    ax.set(xlabel="predicted label", ylabel="true label", xticks=places, yticks=places)
    ax.set_xticklabels(row["labels"], rotation=45 if len(matrix) > 3 else 0)
    ax.set_yticklabels(row["labels"])
    if len(matrix) <= 20:
        for i, j in np.ndindex(*matrix.shape):
            text = f"{values[i, j]:.2f}" if normalize else f"{values[i, j]:.10g}"
            ax.text(j, i, text, ha="center", va="center", color="white" if share[i, j] > 0.5 else "black")
    ax.set_title("confusion matrix" + (", shares of each true label" if normalize else ""))
    return ax
