"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mmlrs._messages import counted, shown
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot.axes import axes_of, extent_of, shortened_all
from mmlrs.plot.rows import Floats, Rows, Values, column_names, named_pair, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion_matrix"]

_FUNCTION = "plot_confusion_matrix"
_WORDS = {
    "true": "percent of each true label",
    "pred": "percent of each prediction",
    "all": "percent of all rows",
}
#: Number of classes from which on zeros are not written.
_MANY = 12
#: Maximum number of classes of a matrix.
_MAX_CLASSES = 200
#: Characters of the name of a class.
_NAME = 20


def plot_confusion_matrix(
    data: Any,
    label_col: str = "label",
    prediction_col: str = "prediction",
    *,
    normalize: Literal["true", "pred", "all"] | None = None,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot how often each true label got each prediction.

    Parameters
    ----------
    data : dataset or pair of arrays
        The scored rows: a Spark DataFrame, a pyarrow, pandas or polars table, or the pair of arrays `(labels, predictions)`.
        Or the result of `ComputeModelStatistics`, whose matrix is drawn.
    label_col, prediction_col : str, default "label" and "prediction"
        Names of the columns. If predictions are class numbers and the metadata of the columns name the classes, as after
        `TrainClassifier` and `StringIndexer`, the names are drawn.
    normalize : {"true", "pred", "all"}, optional
        Write percentages: of the rows of each true label, of each prediction, or of all rows. By default counts are written.
    labels : sequence, optional
        The classes to draw, in order. Rows of other classes are left out, and the title says how many. By default all
        labels and predictions in ascending order.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure, whose size grows with the number of classes.

    Returns
    -------
    matplotlib.axes.Axes
        The axes: true labels from top to bottom, predictions from left to right. With more than 12 classes, zeros are not
        written.

    Raises
    ------
    ColumnNotFoundError, SchemaMismatchError
        There is no such column, or one holds text and the other numbers.
    DecodeError
        There are no rows.
    InvalidParamError
        `normalize` or `labels` is not valid, or there are more than 200 classes.
    MissingPackageError
        Matplotlib is not installed.

    Notes
    -----
    The values equal those of scikit-learn's `confusion_matrix`. A null or NaN is counted in a last row or column "null", in
    italics. A Spark DataFrame is aggregated by Spark.

    Examples
    --------
    >>> from mmlrs.plot import plot_confusion_matrix
    >>> ax = plot_confusion_matrix((["cat", "dog", "dog"], ["cat", "dog", None]))
    >>> [text.get_text() for text in ax.texts]
    ['1', '0', '0', '0', '1', '1']
    """
    if normalize not in (None, *_WORDS):
        raise InvalidParamError(
            f'{_FUNCTION}: param `normalize` must be None, "true", "pred" or "all", got {shown(normalize)}'
        )
    if "confusion_matrix" in column_names(data):
        matrix, classes, dropped = _of_statistics(data)
    else:
        rows = read(_FUNCTION, data, {"label": label_col, "prediction": prediction_col}, counts=True)
        matrix, classes, dropped = _counted(rows, labels)
    if max(matrix.shape) > _MAX_CLASSES:
        raise InvalidParamError(
            f"{_FUNCTION}: there are {max(matrix.shape)} classes, and a matrix shows at most {_MAX_CLASSES}; name some of them in "
            "`labels`, or use plot_residuals for numbers that are not classes"
        )
    height, width = matrix.shape
    side = min(16.0, 3.2 + 0.42 * max(height, width) + 0.05 * max(map(len, shortened_all(classes, _NAME))))
    ax = axes_of(_FUNCTION, ax, (side + 0.8, side * (0.4 + 0.6 * height / max(height, width))))
    _draw(ax, matrix, normalized(matrix, normalize), classes, normalize)
    title = "confusion matrix" if normalize is None else f"confusion matrix, {_WORDS[normalize]}"
    ax.set_title(title + (f"\n{counted(dropped, 'row')} of other classes left out" if dropped else ""))
    return ax


def _of_statistics(statistics: Any) -> tuple[Floats, list[Any], int]:
    rows = read(_FUNCTION, statistics, {"matrix": "confusion_matrix", "labels": "labels"})
    row = rows.table.slice(0, 1).to_pylist()
    if not row:
        raise SchemaMismatchError(f"{rows.where('matrix')}: has no value: the statistics have no row")
    if row[0]["matrix"] is None:
        raise SchemaMismatchError(f"{rows.where('matrix')}: is null; the matrix needs predictions")
    return np.array(row[0]["matrix"], float), row[0]["labels"], 0


def _counted(rows: Rows, order: Sequence[Any] | None) -> tuple[Floats, list[Any], int]:
    """Return the counts, the classes without null, and the number of rows of classes that are not drawn."""
    truth, guess = named_pair(rows)
    weights = (
        rows.column("count").to_numpy().astype(float)
        if "count" in rows.table.column_names
        else np.ones(rows.table.num_rows)
    )
    if not len(weights):
        raise DecodeError(f"{rows.where('label')}: has no value: the dataset has no rows")
    classes = _classes(truth, guess) if order is None else list(order)
    if not classes or len(set(classes)) < len(classes):
        problem = "names no class" if order is not None and not classes else "names a class twice"
        if order is None:
            raise DecodeError(f"{rows.where('label')}: every label and every prediction is null")
        raise InvalidParamError(f"{_FUNCTION}: param `labels` {problem}: {shown(classes)}")
    size = len(classes)
    codes = [values.codes_in(classes) for values in (truth, guess)]
    kept = (codes[0] != -2) & (codes[1] != -2)
    if not kept.any():
        raise InvalidParamError(
            f"{_FUNCTION}: param `labels` names no class of the data, whose classes are {shown(_classes(truth, guess))}"
        )
    matrix = np.zeros((size + 1, size + 1))
    places = [np.where(code == -1, size, code)[kept] for code in codes]
    np.add.at(matrix, (places[0], places[1]), weights[kept])
    has_null = [bool((place == size).any()) for place in places]
    return matrix[: size + has_null[0], : size + has_null[1]], classes, int(weights[~kept].sum())


def _classes(truth: Values, guess: Values) -> list[Any]:
    found = dict.fromkeys([*truth.values, *guess.values])
    try:
        return sorted(found)
    except TypeError:  # of several types
        return sorted(found, key=str)


def normalized(matrix: Floats, by: str | None) -> Floats:
    """Return counts as shares of their row, column or total; the share of nothing is 0, as in scikit-learn."""
    if by is None:
        return matrix
    axis = {"true": 1, "pred": 0, "all": None}[by]
    totals = matrix.sum(axis=axis, keepdims=True)
    return np.divide(matrix, totals, out=np.zeros_like(matrix), where=totals > 0)


def _draw(ax: Axes, counts: Floats, shares: Floats, classes: list[Any], by: str | None) -> None:
    size = len(classes)
    top = max(float(shares.max()), 1e-12) if by in (None, "all") else 1.0
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=top, aspect="equal")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    if by is not None:
        from matplotlib.ticker import PercentFormatter

        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        from matplotlib.ticker import MaxNLocator

        bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    names = shortened_all(classes, _NAME)
    small = max(4.5, min(10.0, _cell(ax, shares.shape) * 0.75))
    long = 0.62 * small * max(map(len, names)) > _cell(ax, shares.shape)
    for axis, count in ((ax.yaxis, shares.shape[0]), (ax.xaxis, shares.shape[1])):
        axis.set_ticks(range(count), [*names, "null"][:count], fontsize=small)
        if count > size:
            axis.get_ticklabels()[-1].set_fontstyle("italic")
    if long:
        for label in ax.get_xticklabels():
            label.set(rotation=90 if size > 20 else 45, ha="center" if size > 20 else "right")
            label.set_rotation_mode("default" if size > 20 else "anchor")
    ax.set(xlabel="predicted label", ylabel="true label")
    _write(ax, image, counts, shares, by)


def _cell(ax: Axes, shape: tuple[int, ...]) -> float:
    """Return about the side of a cell in points, before the layout makes room for the names."""
    width, height = extent_of(ax)
    return 0.85 * min(width / shape[1], height / shape[0])


def _write(ax: Axes, image: Any, counts: Floats, shares: Floats, by: str | None) -> None:
    """Write the values into the cells, dark on light and light on dark."""
    texts = {
        (i, j): _text(float(counts[i, j]), float(shares[i, j]), by, len(shares))
        for i, j in np.ndindex(*shares.shape)
        if counts[i, j] or max(shares.shape) <= _MANY
    }
    longest = max((len(text) for text in texts.values()), default=1)
    font = min(11.0, _cell(ax, shares.shape) / (0.62 * max(longest, 2)))
    if font < 3.5:  # nobody can read it
        return
    for (i, j), text in texts.items():
        red, green, blue, _ = image.cmap(image.norm(shares[i, j]))
        dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
        ax.text(j, i, text, ha="center", va="center", fontsize=font, color="white" if dark else "black")


def _text(count: float, share: float, by: str | None, classes: int) -> str:
    """Return a count, or a percentage that is 0 or 100 only if it is exactly that."""
    if by is None:
        return f"{count:.0f}" if classes <= _MANY or count < 10_000 else f"{count / 1000:.0f}k"
    if share in (0, 1):
        return f"{share:.0%}"
    percent = 100 * share
    decimals = 1 if classes <= _MANY else 0
    least = 10.0**-decimals
    if 0 < percent < least / 2:
        return f"<{least:.{decimals}f}%"
    if percent < 100 and f"{percent:.{decimals}f}" == f"{100:.{decimals}f}":
        return f">{100 - least:.{decimals}f}%"
    return f"{percent:.{decimals}f}%"
