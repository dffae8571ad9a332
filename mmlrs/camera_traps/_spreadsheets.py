"""A row per picture for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._paths import PathLike
from mmlrs._places import atomic_file
from mmlrs.camera_traps._coco_reader import EMPTY
from mmlrs.camera_traps._megadetector_reader import score_problem
from mmlrs.camera_traps._rows import BOX, Rows
from mmlrs.camera_traps._times import written_time
from mmlrs.errors import InvalidParamError

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["DELIMITERS", "HEAD", "plain_text", "write_csv"]

_FUNCTION = "write_csv"
#: Delimiters of columns.
DELIMITERS = (",", ";", "\t")
#: The columns.
HEAD = ("file", "location", "time", "label", "score", "detections", "failure", *BOX)
#: A spreadsheet computes a text that begins with one of these, also in the width of East Asian letters.
_FORMULA = tuple("=+-@＝＋－＠")
_SPACE = ("\t", "\r", "\n")


def write_csv(table: Dataset, path: PathLike, *, threshold: float = 0.0, delimiter: str = ",") -> None:
    r"""Write one row per picture as a CSV file that Excel, LibreOffice and R open.

    Parameters
    ----------
    table : DataFrame or table
        One row per picture, as from `read_megadetector` or `read_coco`, or with columns of your own: `file`, and if they exist
        `location`, `time`, `time_text`, `label` (string), `score` (number), `detections`, `labels`, `boxes` and `failure`. A DataFrame of
        Spark is collected.
    path : path
        Local file to write. An existing file is replaced when the new one is complete.
    threshold : float, default 0.0
        Lowest score, between 0 and 1, of a detection that counts.
    delimiter : {",", ";", "tab"}, default ","
        The character between columns; for a tab, `"\t"`. Excel expects a semicolon where the decimal sign is a comma.

    Raises
    ------
    InvalidParamError
        `path`, `threshold` or `delimiter` is not allowed, or a row cannot be written: the file name is missing or repeated, or
        a score is not between 0 and 1.
    ColumnNotFoundError, SchemaMismatchError
        There is no column `file`, or a column has another type.
    IoError
        The file cannot be written.

    Notes
    -----
    The columns are file, location, time, label, score, detections, failure, x, y, width, height. What is not known is blank.

    - `label` and `score` are those of the best detection, and x, y, width and height its box. Without detections, `label` holds the
      `labels`, separated by `; `, and the box is the largest of `boxes`. Columns `label` and `score` of the table come first.
    - `label` is "empty" if a picture was processed, or labelled, and has nothing. It is blank if the picture failed or has no label.
    - `detections` is the number of detections from `threshold` on, or the number of boxes; blank for a failed picture.

    The file is UTF-8 with a byte order mark, by which Excel recognizes it, with the quotes and line ends of RFC 4180. A text that a
    spreadsheet would compute, because it begins with `=`, `+`, `-` or `@`, gets an apostrophe before it. `read_labels` removes it.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from mmlrs.camera_traps import write_csv
    >>> fox = {"label": "animal", "score": 0.9, "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
    >>> table = pa.table({"file": ["1.jpg", "2.jpg"], "detections": [[fox], []]})
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "results.csv")
    >>> write_csv(table, path)
    >>> with open(path, encoding="utf-8-sig") as file:
    ...     print(file.read())
    file,location,time,label,score,detections,failure,x,y,width,height
    1.jpg,,,animal,0.9,1,,0.1,0.2,0.3,0.4
    2.jpg,,,empty,,0,,,,,
    <BLANKLINE>
    >>> folder.cleanup()
    """
    if delimiter not in DELIMITERS:
        raise InvalidParamError(
            f"{_FUNCTION}: param `delimiter` must be a comma, a semicolon or a tab, got {shown(delimiter)}"
        )
    given: Any = threshold
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise InvalidParamError(
            f"{_FUNCTION}: param `threshold` must be a number from 0 to 1, got {shown(threshold)}"
        )
    rows = Rows(_FUNCTION, table)
    lines = list(_lines(rows, float(threshold)))
    with atomic_file(f"{_FUNCTION}:", path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(HEAD)
        writer.writerows(lines)
        text.detach()


def _lines(rows: Rows, threshold: float) -> Iterator[list[Any]]:
    """Yield the cells of each row."""
    times = zip(rows.values("time", "times"), rows.values("time_text"), strict=True)
    columns = zip(
        rows.files,
        rows.values("location"),
        times,
        rows.values("label"),
        rows.values("score", "numbers"),
        rows.values("failure"),
        _found(rows, threshold),
        strict=True,
    )
    for file, location, (time, text), label, score, failure, (seen, best, count, box) in columns:
        when = written_time(time) if isinstance(time, datetime) else text
        texts = [harmless(value) for value in (file, location, when, seen if label is None else label)]
        yield [*texts, best if score is None else score, count, harmless(failure), *box]


_NO_BOX: tuple[float | None, ...] = (None,) * 4
_Seen = tuple[str | None, float | None, int | None, tuple[float | None, ...]]


def _found(rows: Rows, threshold: float) -> Iterator[_Seen]:
    """Yield the label, the score, the number and the best box of what is in each picture."""
    if rows.has("detections"):
        yield from _best(rows, threshold)
        return
    labels = rows.lists("labels", of="strings")
    boxes = _boxes_of(rows, "boxes", BOX)
    names = (
        [None] * len(rows)
        if labels is None
        else labels.per_row(rows.cast("labels", labels.values, "strings").to_pylist())
    )
    for found, drawn in zip(names, boxes, strict=True):
        box = max((box[1:] for box in drawn or ()), key=lambda box: box[2] * box[3], default=_NO_BOX)
        label = None if found is None else "; ".join(found) or EMPTY
        yield label, None, None if drawn is None else len(drawn), box


def _best(rows: Rows, threshold: float) -> Iterator[_Seen]:
    """Yield the best detection of each picture."""
    for found in _boxes_of(rows, "detections", ("score", *BOX)):
        if found is None:
            yield None, None, None, _NO_BOX
            continue
        counted = [detection for detection in found if detection[1] >= threshold]
        if not counted:
            yield EMPTY, None, 0, _NO_BOX
            continue
        label, score, *box = max(counted, key=lambda detection: detection[1])
        yield label, score, len(counted), tuple(box)


def _boxes_of(rows: Rows, name: str, members: tuple[str, ...]) -> list[list[Any] | None]:
    """Return the label and some members of the boxes of each picture."""
    lists = rows.lists(name, of=name)
    if lists is None:
        return [None] * len(rows)
    found = rows.members(name, lists, ("label", *members))
    if "score" in found:
        problem = score_problem(np.asarray(found["score"].to_numpy(zero_copy_only=False)))
        if problem is not None:
            rows.fail(lists.row_of(problem[0]), problem[1])
    return lists.per_row(list(zip(*(found[member].to_pylist() for member in found), strict=True)))


def _is_formula(text: str) -> bool:
    """Return whether a spreadsheet may compute a text, whatever apostrophes are before it."""
    inner = text.lstrip("'")
    return inner.startswith(_SPACE) or inner.lstrip().startswith(_FORMULA)


def harmless(text: str | None) -> str | None:
    """Return a text that no spreadsheet computes. `plain_text` restores the original."""
    return f"'{text}" if text is not None and _is_formula(text) else text


def plain_text(text: str) -> str:
    """Return a text without the apostrophe that `harmless` adds."""
    return text[1:] if text.startswith("'") and _is_formula(text) else text
