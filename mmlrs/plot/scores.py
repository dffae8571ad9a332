"""The scores of classifiers, as outcomes of one class against the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmlrs._messages import counted, shown
from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot.rows import Floats, Rows, Values
from mmlrs.train.scored import METADATA, levels_of

__all__ = ["Outcomes", "outcomes"]


@dataclass(frozen=True)
class Outcomes:
    """The scores of each class, and whether each row is of that class. Rows with a null are left out."""

    #: The classes that are drawn.
    classes: list[Any]
    #: The rows of each class, shape (classes, rows).
    hits: npt.NDArray[np.bool_]
    #: The scores of each class, shape (classes, rows).
    scores: Floats
    #: Number of rows with a null.
    missing: int
    #: Classes without a row, which are not drawn.
    absent: list[Any]


def outcomes(rows: Rows, positive: Any, classes: Sequence[Any] | None) -> Outcomes:
    """Return labels and scores as outcomes: of the positive class, or of every class if there are more than two."""
    labels = rows.values("label")
    if not rows.table.num_rows:
        raise DecodeError(f"{rows.where('label')}: has no value: the dataset has no rows")
    vector = rows.is_vector("score")
    matrix = rows.matrix("score") if vector else rows.numbers("score")[:, None]
    known, labels = _classes(rows, labels, classes, matrix.shape[1] if vector else None)
    codes = labels.codes_in(known)
    _refuse_strange(rows, labels, codes, known)
    good = (codes >= 0) & ~np.isnan(matrix).any(axis=1)
    if not good.any():
        raise DecodeError(f"{rows.where('score')}: every row has a null in the label or the score")
    codes, matrix = codes[good], matrix[good]
    drawn = _drawn(rows, known, positive, vector)
    present = set(codes.tolist())
    if len(present) < 2:
        raise DecodeError(
            f"{rows.where('label')}: has only one class, {shown(known[codes[0]])}; curves need rows of at least two"
        )
    absent = [known[place] for place in drawn if place not in present]
    if absent and len(drawn) == 1:
        raise DecodeError(f"{rows.where('label')}: has no row of the class {shown(absent[0])}")
    drawn = [place for place in drawn if place in present]
    return Outcomes(
        [known[place] for place in drawn],
        np.array([codes == place for place in drawn]),
        np.array([matrix[:, place if vector else 0] for place in drawn]),
        int(np.count_nonzero(~good)),
        absent,
    )


def _classes(
    rows: Rows, labels: Values, classes: Sequence[Any] | None, width: int | None
) -> tuple[list[Any], Values]:
    """Return the classes in the order of the slots of the scores, and the labels as such classes."""
    levels = levels_of(rows.facts["label"])
    numbers = all(isinstance(value, int | float) for value in labels.values)
    if classes is not None:
        known = list(classes)
        if len(set(known)) < len(known):
            raise InvalidParamError(f"{rows.function}: param `labels` names a class twice: {shown(known)}")
    elif levels is not None and numbers:
        known = levels
        labels = labels.renamed(
            levels[int(v)] if float(v).is_integer() and 0 <= v < len(levels) else v for v in labels.values
        )
    elif (marked := rows.facts["score"].get(METADATA, {}).get("labels")) is not None:
        known = list(marked)
    elif (
        width is not None and numbers and all(float(v).is_integer() and 0 <= v < width for v in labels.values)
    ):
        known = list(range(width))  # class numbers, of which some may have no row
    elif width is not None:
        raise SchemaMismatchError(
            f"{rows.where('score')}: the order of the {width} scores in its vectors is unknown, since the labels are not class "
            "numbers; pass the column of class numbers as the label, such as that of StringIndexer, or name the classes in the order "
            "of the scores in `labels`"
        )
    else:
        known = sorted(labels.values)
    if width is not None and len(known) != width:
        raise SchemaMismatchError(
            f"{rows.where('score')}: its vectors have {counted(width, 'score')}, but there are "
            f"{len(known)} {'class' if len(known) == 1 else 'classes'}: {shown(known)}; name the classes in the order of the "
            "scores in `labels`"
        )
    return known, labels


def _refuse_strange(rows: Rows, labels: Values, codes: npt.NDArray[np.int64], known: list[Any]) -> None:
    """Raise if a label is not among the classes."""
    strange = codes == -2
    if strange.any():
        row = int(np.argmax(strange))
        raise DecodeError(
            f"{rows.where('label', row)}: the label {shown(labels.values[labels.codes[row]])} is not one of the classes "
            f"{shown(known)}"
        )


def _drawn(rows: Rows, known: list[Any], positive: Any, vector: bool) -> list[int]:
    """Return the places of the classes to draw."""
    if positive is not None:
        if positive not in known:
            raise InvalidParamError(
                f"{rows.function}: param `positive`: {shown(positive)} is not one of the classes {shown(known)}"
            )
        return [known.index(positive)]
    if len(known) <= 2:
        return [len(known) - 1]
    if not vector:
        raise SchemaMismatchError(
            f"{rows.where('score')}: is one number per row, but the label has {len(known)} classes; pass a column of "
            "vectors with a score per class, or the class of the score as `positive`"
        )
    return list(range(len(known)))
