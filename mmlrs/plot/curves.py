"""What the curves of classifiers share: which curves there are, and their names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmlrs.errors import SchemaMismatchError
from mmlrs.plot.axes import one_line, shortened_all
from mmlrs.plot.rows import Floats, column_names, left_out, models_in, read
from mmlrs.plot.scores import outcomes

__all__ = ["Curve", "Curves", "curves_of", "positive_text"]

#: Characters of the name of a model, column or class.
_NAME = 26
#: Returns x, y and area of a curve from whether each row is of the class, and the scores.
Trace = Callable[[npt.NDArray[np.bool_], Floats], tuple[Floats, Floats, float]]


@dataclass(frozen=True)
class Curve:
    """A curve, its area, and the parts of its name: model, column and class."""

    parts: tuple[str, ...]
    x: Floats
    y: Floats
    area: float
    is_mean: bool = False

    @property
    def name(self) -> str:
        """The name in the legend; empty for the only curve."""
        return ": ".join(self.parts)


@dataclass(frozen=True)
class Curves:
    """The curves of one plot by the model and column that they belong to, and what their title says."""

    groups: list[list[Curve]]
    #: The positive classes of the groups of one curve.
    positives: list[str]
    #: Number of rows with a null.
    missing: int
    #: Whether a class has no row.
    absent: bool

    def all(self) -> list[Curve]:
        """Return the curves of all groups with names that differ."""
        curves = [curve for group in self.groups for curve in group]
        parts = list(dict.fromkeys(part for curve in curves for part in curve.parts))
        short = dict(zip(parts, shortened_all(parts, _NAME)))
        return [replace(curve, parts=tuple(short[part] for part in curve.parts)) for curve in curves]

    def notes(self) -> str:
        """Return the parts of the title about the positive class and about rows that are not drawn."""
        absent = "\nclasses without rows left out" if self.absent else ""
        return positive_text(self.positives, len(self.groups)) + left_out(self.missing) + absent

    def width(self) -> float:
        """Return the width of a new figure in inches, with room for the legend."""
        count = sum(map(len, self.groups))
        return 5.6 if count < 10 else min(14.0, 6.2 + 3.4 * math.ceil(count / 24))


def positive_text(positives: Sequence[str], count: int) -> str:
    """Return the part of a title that names the positive class, if `count` models share it."""
    if len(positives) < count or len(set(positives)) != 1:
        return ""
    return f", positive class {shortened_all(positives[:1], _NAME)[0]}"


def curves_of(
    function: str,
    data: Any,
    columns: tuple[str, str | Sequence[str]],
    classes: tuple[Any, Sequence[Any] | None],
    trace: Trace,
    statistics: Mapping[str, str],
) -> Curves:
    """Return the curves of datasets, arrays and computed statistics.

    Parameters
    ----------
    function : str
        The public function that errors name.
    data : object
        Its argument: a dataset, arrays, or a mapping of these.
    columns : tuple
        The column of labels, and the column or columns of scores.
    classes : tuple
        The positive class and the classes in the order of the scores; None if not given.
    trace : callable
        Computes a curve.
    statistics : mapping
        The members "x" and "y" of a point of the curve of `ComputeModelStatistics`, and the column "area".
    """
    label_col, score_col = columns
    groups: list[list[Curve]] = []
    positives: list[str] = []
    missing, absent = 0, False
    for name, dataset in models_in(function, data).items():
        if "curve" in column_names(dataset):
            curve, positive = _of_statistics(function, name, dataset, statistics)
            groups.append([curve])
            positives += [] if positive is None else [one_line(positive)]
            continue
        scores = [score_col] if isinstance(score_col, str) else list(score_col)
        for column in scores:
            rows = read(function, dataset, {"label": label_col, "score": column})
            found = outcomes(rows, *classes)
            parts = tuple(one_line(part) for part in (name, column if len(scores) > 1 else "") if part)
            single = len(found.classes) == 1
            groups.append(
                [
                    Curve((*parts, *(() if single else (one_line(cls),))), *trace(hits, own))
                    for cls, hits, own in zip(found.classes, found.hits, found.scores)
                ]
            )
            positives += [one_line(found.classes[0])] if single and not found.absent else []
            missing += found.missing
            absent = absent or bool(found.absent)
    return Curves(groups, positives, missing, absent)


def _of_statistics(
    function: str, name: str, statistics: Any, members: Mapping[str, str]
) -> tuple[Curve, Any]:
    """Return the curve in the first row of statistics, and the positive class if it is known."""
    has_labels = "labels" in column_names(statistics)
    columns = {"curve": "curve", "area": members["area"], "labels": "labels" if has_labels else None}
    rows = read(function, statistics, columns)
    row = rows.table.slice(0, 1).to_pylist()
    if not row:
        raise SchemaMismatchError(f"{rows.where('curve')}: has no value: the statistics have no row")
    if row[0]["curve"] is None or row[0]["area"] is None:
        raise SchemaMismatchError(f"{rows.where('curve')}: is null; a curve needs two classes and scores")
    x, y = (np.array([point[members[axis]] for point in row[0]["curve"]], float) for axis in ("x", "y"))
    labels = row[0].get("labels") or []
    parts = (one_line(name),) if name else ()
    return Curve(parts, x, y, float(row[0]["area"])), labels[1] if len(labels) == 2 else None
