"""Write COCO Camera Traps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlrs._messages import shown
from mmlrs._paths import PathLike
from mmlrs._places import atomic_file
from mmlrs.camera_traps._coco_reader import COCO, EMPTY, is_empty
from mmlrs.camera_traps._json_files import info_of, kept_document, write_members
from mmlrs.camera_traps._rows import BOX, Rows, box_problem
from mmlrs.camera_traps._times import camera_time, written_time

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["write_coco"]

_FUNCTION = "write_coco"
_INFO = {"version": "1.0", "description": "Pictures of camera traps"}
#: The other columns, their kind and their name in the format.
_PLAIN = (
    ("width", "whole numbers", "width"),
    ("height", "whole numbers", "height"),
    ("location", "strings", "location"),
    ("sequence", "strings", "seq_id"),
    ("frame", "whole numbers", "frame_num"),
    ("frames", "whole numbers", "seq_num_frames"),
)


def write_coco(table: Dataset, path: PathLike, *, info: Mapping[str, Any] | None = None) -> None:
    """Write labelled pictures as COCO Camera Traps. `read_coco` of the file returns the same table.

    Parameters
    ----------
    table : DataFrame or table
        One row per picture, with the columns that `read_coco` returns. Only `file` is required. Other columns are not written.
        A DataFrame of Spark is collected.
    path : path
        Local JSON file to write. An existing file is replaced when the new one is complete.
    info : dict, optional
        The member `info` of the file, for instance `{"version": "1.0", "description": "Cameras of 2024"}`. Default: that of the file
        that the table was read from, else a version and a description.

    Raises
    ------
    InvalidParamError
        A row cannot be written; the message names it. The file name is missing or repeated; a label is blank; a size is not positive; a box is not finite,
        has a negative size, or a label that `labels` does not have; a label is "empty", in any case, of which only "empty" beside
        other labels can be written; a label of the sequence is not one of the labels. Or `path` or
        `info` is not allowed.
    ColumnNotFoundError, SchemaMismatchError
        There is no column `file`, or a column has another type.
    IoError
        The file cannot be written.

    Notes
    -----
    A picture with null labels gets no annotations, one with an empty list the category "empty", whose id is 0. Without the column
    `labels` the labels are those of the boxes. Boxes are in pixels, and in addition relative to the picture (`bbox_relative`) if
    the size of the picture is unknown or pixels would not give the same numbers. Nothing is rounded. A null time is written as
    `time_text`. The id of a picture is its file name. Ids of categories are those of the file that the table was read from; new
    ones follow. Times with a zone are written as the local time of the zone.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from mmlrs.camera_traps import read_coco, write_coco
    >>> labels = pa.array([["fox"], [], None], pa.list_(pa.string()))
    >>> table = pa.table({"file": ["1.jpg", "2.jpg", "3.jpg"], "location": ["north"] * 3, "labels": labels})
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "traps.json")
    >>> write_coco(table, path)
    >>> read = read_coco(path)
    >>> read["labels"].to_pylist(), read["location"].to_pylist()
    ([['fox'], [], None], ['north', 'north', 'north'])
    >>> folder.cleanup()
    """
    rows = Rows(_FUNCTION, table)
    kept = kept_document(rows.table, COCO)
    categories = _kept_categories(kept)
    about = info_of(_FUNCTION, info, kept.get("info") or _INFO)
    boxes = _boxes(rows)
    labels = _labels(rows, boxes)
    of_sequence = _sequence_labels(rows, labels)
    numbers = _numbers(labels, categories)
    times = list(_times(rows))
    sizes = _sizes(rows)
    with atomic_file(f"{_FUNCTION}:", path) as file:
        write_members(
            file,
            {
                "info": about,
                "categories": ({"id": number, "name": name} for name, number in _listed(numbers, categories)),
                "images": _images(rows, times),
                "annotations": _annotations(rows.files, sizes, labels, of_sequence, boxes, numbers),
            },
        )


def _times(rows: Rows) -> Iterator[str | None]:
    """Yield the time of each picture as text."""
    for time, text in zip(rows.values("time", "times"), rows.values("time_text"), strict=True):
        known = isinstance(time, datetime)
        yield text if not known or (text and camera_time(text) == time) else written_time(time)


def _sizes(rows: Rows) -> list[tuple[int | None, int | None]]:
    """Return the width and height of each picture."""
    sides = (rows.values(name, "whole numbers") for name in ("width", "height"))
    sizes = list(zip(*sides, strict=True))
    for row, size in enumerate(sizes):
        if size != (None, None) and (None in size or min(size) <= 0):
            rows.fail(
                row, f"`width` and `height` must be greater than 0, or both null, got {size[0]} and {size[1]}"
            )
    return sizes


def _boxes(rows: Rows) -> list[list[tuple[str, list[float]]] | None]:
    """Return the boxes of each picture."""
    lists = rows.lists("boxes", of="boxes")
    if lists is None:
        return [None] * len(rows)
    members = rows.members("boxes", lists, ("label", *BOX))
    values = np.stack([members[name].to_numpy(zero_copy_only=False) for name in BOX], axis=1)
    problem = box_problem(values, tolerance=None)
    if problem is not None:
        rows.fail(lists.row_of(problem[0]), problem[1])
    return lists.per_row(list(zip(members["label"].to_pylist(), values.tolist(), strict=True)))


def _labels(rows: Rows, boxes: list[list[tuple[str, list[float]]] | None]) -> list[list[str] | None]:
    """Return the labels of each picture."""
    lists = rows.lists("labels", of="strings")
    if lists is None:
        found = [None if box is None else sorted({label for label, _ in box}) for box in boxes]
    else:
        found = lists.per_row(rows.cast("labels", lists.values, "strings").to_pylist())
    for row, (labels, drawn) in enumerate(zip(found, boxes, strict=True)):
        for label in labels or ():
            if not label.strip():
                rows.fail(row, f"a label must not be blank, got {shown(label)}")
            if is_empty(None, label) and (label != EMPTY or (labels == [EMPTY] and not drawn)):
                rows.fail(
                    row,
                    f"the label {shown(label)} means a picture without animals, which has an empty list of labels",
                )
        strange = {label for label, _ in drawn or ()} - set(labels or ())
        if strange:
            rows.fail(row, f"a box has the label {shown(min(strange))}, which is not one of `labels`")
    return found


def _sequence_labels(rows: Rows, labels: list[list[str] | None]) -> list[list[str] | None]:
    """Return the labels of each picture that are known for its sequence only."""
    lists = rows.lists("sequence_labels", of="strings")
    if lists is None:
        return [None] * len(rows)
    found = lists.per_row(rows.cast("sequence_labels", lists.values, "strings").to_pylist())
    for row, (part, whole) in enumerate(zip(found, labels, strict=True)):
        if part is not None and (whole is None or not set(part) <= set(whole)):
            rows.fail(row, f"`sequence_labels` {shown(part)} are not all in `labels` {shown(whole)}")
    return found


def _kept_categories(kept: Mapping[str, Any]) -> dict[int, str]:
    """Return the categories of the file that the table was read from. Metadata of anything else are not used."""
    found = kept.get("categories")
    items = found if isinstance(found, list) else []
    return {
        item["id"]: item["name"]
        for item in items
        if isinstance(item, dict) and type(item.get("id")) is int and isinstance(item.get("name"), str)
    }


def _numbers(labels: list[list[str] | None], categories: Mapping[int, str]) -> dict[str, int]:
    """Return the id of each label: known ones keep theirs."""
    numbers: dict[str, int] = {}
    for number, name in categories.items():
        numbers.setdefault(EMPTY if is_empty(number, name) else name, number)
    # New ids follow the known ones, and are 32 bits wide.
    last = max(categories, default=0)
    unused = (n for n in chain(range(max(last, 0) + 1, 2**31), range(1, 2**31)) if n not in categories)
    if EMPTY not in numbers:
        numbers[EMPTY] = next(unused) if 0 in categories else 0
    names = sorted({label for found in labels for label in found or ()} - numbers.keys())
    return numbers | dict(zip(names, unused))


def _listed(numbers: Mapping[str, int], categories: Mapping[int, str]) -> Iterator[tuple[str, int]]:
    """Yield the names and ids of all categories; those that were read keep their names."""
    yield from ((name, number) for number, name in categories.items())
    yield from ((name, number) for name, number in numbers.items() if number not in categories)


def _images(rows: Rows, times: list[str | None]) -> Iterator[dict[str, Any]]:
    columns = [(name, rows.values(column, kind)) for column, kind, name in _PLAIN]
    corrupt = rows.values("corrupt", "booleans")
    for row, file in enumerate(rows.files):
        image: dict[str, Any] = {"id": file, "file_name": file}
        image.update((name, values[row]) for name, values in columns if values[row] is not None)
        if times[row] is not None:
            image["datetime"] = times[row]
        if corrupt[row]:
            image["corrupt"] = True
        yield image


def _annotations(
    files: list[str],
    sizes: list[tuple[int | None, int | None]],
    labels: list[list[str] | None],
    of_sequence: list[list[str] | None],
    boxes: list[list[tuple[str, list[float]]] | None],
    numbers: dict[str, int],
) -> Iterator[dict[str, Any]]:
    count = 0
    for file, size, found, whole, drawn in zip(files, sizes, labels, of_sequence, boxes, strict=True):
        if found is None:
            continue
        sequence = set(whole or ())
        boxed = {label for label, _ in drawn or ()}
        marks: list[tuple[str, dict[str, Any]]] = [(label, _box(box, size)) for label, box in drawn or ()]
        marks += [(label, {}) for label in dict.fromkeys(found) if label not in boxed]
        if not found:
            marks = [(EMPTY, {})]
            sequence = set() if whole is None else {EMPTY}
        for label, box in marks:
            item = {"id": str(count), "image_id": file, "category_id": numbers[label], **box}
            if label in sequence:
                item["sequence_level_annotation"] = True
            count += 1
            yield item


def _box(box: list[float], size: tuple[int | None, int | None]) -> dict[str, list[float]]:
    """Return a box in pixels, and relative to the picture where pixels are not enough."""
    width, height = size
    if width is None or height is None:
        return {"bbox_relative": box}
    sides = (width, height, width, height)
    pixels = [value * side for value, side in zip(box, sides, strict=True)]
    if not np.isfinite(pixels).all():
        return {"bbox_relative": box}
    exact = [pixel / side for pixel, side in zip(pixels, sides, strict=True)] == box
    return {"bbox": pixels} if exact else {"bbox": pixels, "bbox_relative": box}
