"""Read the results of MegaDetector."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike
from mmlrs.camera_traps._documents import Document, column
from mmlrs.camera_traps._json_files import with_document
from mmlrs.camera_traps._rows import BOX, box_problem

__all__ = ["BOX_TOLERANCE", "MEGADETECTOR", "read_megadetector", "score_problem"]

#: Metadata key of what the file says about all pictures.
MEGADETECTOR = b"mmlrs.megadetector"
#: By how much of the picture a box may exceed it. Tools round coordinates to 4 decimals.
BOX_TOLERANCE = 0.001

_VERSION = re.compile(r"(\d+)\.\d+")
_MEMBERS = ("detection_categories", "classification_categories", "classification_category_descriptions")
_KNOWN = frozenset((*_MEMBERS, "info", "images"))
#: The best score of a picture, in versions before 1.3, is that of its detections.
_IMAGE = frozenset(("file", "detections", "failure", "frame_rate", "frames_processed", "max_detection_conf"))
_DETECTION = frozenset(("category", "conf", "bbox", "classifications", "frame_number"))
_CLASS = pa.struct([("label", pa.string()), ("score", pa.float64())])


@dataclass
class _Found:
    """The columns of the table while the file is read. Detections of all pictures are in one list."""

    files: list[str] = field(default_factory=list)
    failures: list[str | None] = field(default_factory=list)
    #: Where the detections of each picture begin, null for a failed picture; and at last, where all end.
    starts: list[int | None] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    classes: list[list[tuple[str, float]] | None] = field(default_factory=list)
    frames: list[int | None] = field(default_factory=list)
    rates: list[float | None] = field(default_factory=list)
    processed: list[list[int] | None] = field(default_factory=list)
    #: Detections that are none, by their categories.
    none: Counter[str] = field(default_factory=Counter)


def score_problem(scores: npt.NDArray[np.float64]) -> tuple[int, str] | None:
    """Return the place of the first score that is none and what is wrong, or None."""
    good = (scores >= 0) & (scores <= 1)
    if good.all():
        return None
    place = int(np.argmin(good))
    return place, f"score {float(scores[place]):.6g} is not between 0 and 1"


def read_megadetector(path: PathLike) -> pa.Table:
    """Read a file of results in the format of MegaDetector, versions 1.0 to 1.6.

    A picture that failed is not an empty one: the former has null detections and a reason, the latter an empty list.

    Parameters
    ----------
    path : path
        Local JSON file.

    Returns
    -------
    pyarrow.Table
        One row per picture, in the order of the file:

        - `file` (string): the path as in the file, with forward slashes.
        - `detections` (list of struct of `label`, `score`, `x`, `y`, `width`, `height`): the score is between 0 and 1, and the box is
          relative to the picture, from the upper left corner. Null if the picture failed; an empty list if nothing was found. If
          the file has classifications, the struct also has `classifications` (list of struct of `label`, `score`), null for a
          detection that was not classified. If the file has videos, it also has `frame_number` (int32).
        - `failure` (string): why the picture failed; null if it did not.
        - `frame_rate` (double) and `frames_processed` (list of int32), if the file has videos; null for pictures, and the rate for a failed
          video.

        The metadata of the schema hold `info`, `detection_categories`, `classification_categories` and
        `classification_category_descriptions` as JSON, under `mmlrs.megadetector`.

    Raises
    ------
    InvalidParamError
        `path` is not a local path.
    IoError, LimitExceededError
        The file cannot be read, or is too large.
    DecodeError
        The file is not JSON, or not in the format; the message names the picture. The version is unknown; two pictures have the
        same path; a picture has neither detections nor a failure, or both; a score is not between 0 and 1; a box has a negative
        size or exceeds the picture by more than 0.001, which is more than rounding.

    Warns
    -----
    UserWarning
        The file has fields that are not read, or detections of category "0" or of categories that it does not name. By the rules of
        the format these count as no detection.

    Notes
    -----
    The format: https://lila.science/megadetector-output-format. The whole file is read into memory.

    Examples
    --------
    >>> import json, os, tempfile
    >>> from mmlrs.camera_traps import read_megadetector
    >>> data = {
    ...     "info": {"format_version": "1.6"},
    ...     "detection_categories": {"1": "animal", "2": "person", "3": "vehicle"},
    ...     "images": [
    ...         {"file": "a/1.jpg", "detections": [{"category": "1", "conf": 0.926, "bbox": [0.0, 0.2762, 0.1539, 0.2825]}]},
    ...         {"file": "a/2.jpg", "detections": []},
    ...         {"file": "a/3.jpg", "detections": None, "failure": "Failure image access"},
    ...     ],
    ... }
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "results.json")
    >>> with open(path, "w") as file:
    ...     json.dump(data, file)
    >>> table = read_megadetector(path)
    >>> [None if found is None else len(found) for found in table["detections"].to_pylist()]
    [1, 0, None]
    >>> table["detections"][0][0].as_py()
    {'label': 'animal', 'score': 0.926, 'x': 0.0, 'y': 0.2762, 'width': 0.1539, 'height': 0.2825}
    >>> folder.cleanup()
    """
    document = Document("read_megadetector", path)
    document.ignore("file", document.root, _KNOWN)
    _check_version(document)
    names = {key: _names(document, key, required=key == _MEMBERS[0]) for key in _MEMBERS}
    found = _Found()
    seen: set[str] = set()
    for row, image in enumerate(document.objects("images")):
        _add_picture(document, row, image, found, names, seen)
    _check_numbers(document, found)
    notes = (
        f"{counted(count, 'detection')} of category {category}, which the format counts as no detection"
        for category, count in found.none.most_common(3)
    )
    document.warn(notes)
    kept = {"info": document.mapping("info"), **{key: value for key, value in names.items() if value}}
    arrays, fields = zip(*_columns(document, found, bool(names[_MEMBERS[1]])), strict=True)
    return pa.Table.from_arrays(list(arrays), schema=with_document(pa.schema(fields), MEGADETECTOR, kept))


def _check_version(document: Document) -> None:
    version = document.mapping("info", required=True).get("format_version")
    text = str(version) if type(version) in (int, float, str) else ""
    found = _VERSION.fullmatch(text if "." in text else f"{text}.0")
    if found is None:
        document.fail(f'`info.format_version` must be a version such as "1.6", got {shown(version)}')
    if int(found[1]) != 1:
        document.fail(f"has version {text} of the format; versions 1.0 to 1.6 can be read")


def _names(document: Document, key: str, *, required: bool) -> dict[str, str]:
    """Return the names of categories by their ids."""
    names = document.mapping(key, required=required)
    for number, name in names.items():
        if not (number.isascii() and number.isdigit()):
            document.fail(f"`{key}`: an id must be a whole number as a text, got {shown(number)}")
        if not isinstance(name, str) or not (name.strip() or key == _MEMBERS[2]):
            document.fail(f"`{key}`: category {number} must have a name, got {shown(name)}")
    return names


def _add_picture(
    document: Document,
    row: int,
    image: dict[str, Any],
    found: _Found,
    names: dict[str, dict[str, str]],
    seen: set[str],
) -> None:
    file = document.text(f"picture {row}", image, "file")
    if file is None or not file.strip():
        document.fail(f"picture {row} has no `file`")
    file = file.replace("\\", "/")
    owner = f"picture {row} ({shown(file)})"
    if file in seen:
        document.fail(f"{owner}: another picture has the same `file`")
    seen.add(file)
    failure = document.text(owner, image, "failure")
    failure = None if failure is None or not failure.strip() else failure
    detections = image.get("detections")
    if detections is not None and not isinstance(detections, list):
        document.fail(f"{owner}: `detections` must be a list, got {shown(detections)}")
    if detections is None and failure is None:
        document.fail(f"{owner} has neither `detections` nor a `failure`")
    if detections and failure is not None:
        document.fail(f"{owner} has both `detections` and a `failure`")
    found.files.append(file)
    found.failures.append(failure)
    found.starts.append(None if failure is not None else len(found.labels))
    for place, detection in enumerate(detections or ()):
        _add_detection(document, f"{owner}, detection {place}", detection, found, names)
    found.rates.append(_rate(document, owner, image.get("frame_rate"), failure))
    found.processed.append(_whole_numbers(document, owner, image.get("frames_processed")))
    if not image.keys() <= _IMAGE:
        document.ignore("images", image, _IMAGE)


def _rate(document: Document, owner: str, value: Any, failure: str | None) -> float | None:
    """Return the frames per second of a video. Those of a failed one, which MegaDetector writes as -1, are not known."""
    rate = None if value is None else document.number(owner, "frame_rate", value)
    if rate is None or 0 < rate < float("inf"):
        return rate
    if failure is None:
        document.fail(f"{owner}: `frame_rate` must be greater than 0, got {rate:.6g}")
    return None


def _add_detection(
    document: Document, owner: str, item: Any, found: _Found, names: dict[str, dict[str, str]]
) -> None:
    if not isinstance(item, dict):
        document.fail(f"{owner} must be an object, got {shown(item)}")
    category = document.text(owner, item, "category", numbers=True)
    if category is None:
        document.fail(f"{owner} has no `category`")
    label = names[_MEMBERS[0]].get(category)
    if label is None or category == "0":
        found.none[shown(category)] += 1
        return
    found.labels.append(label)
    found.scores.append(document.number(owner, "conf", item.get("conf")))
    found.boxes.append(document.numbers(owner, "bbox", item.get("bbox"), 4))
    found.classes.append(_classes(document, owner, item.get("classifications"), names[_MEMBERS[1]]))
    found.frames.append(document.whole(owner, item, "frame_number"))
    if not item.keys() <= _DETECTION:
        document.ignore("detections", item, _DETECTION)


def _classes(
    document: Document, owner: str, items: Any, names: dict[str, str]
) -> list[tuple[str, float]] | None:
    """Return the labels and scores of the classifications of a detection."""
    if items is None:
        return None
    if not isinstance(items, list):
        document.fail(f"{owner}: `classifications` must be a list, got {shown(items)}")
    classes = []
    for item in items:
        if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
            document.fail(f"{owner}: a classification must be an id and a score, got {shown(item)}")
        if item[0] not in names:
            document.fail(
                f"{owner}: `classification_categories` has no category with the id {shown(item[0])}"
            )
        score = document.number(owner, "classifications", item[1])
        if not 0 <= score <= 1:
            document.fail(f"{owner}: score {score:.6g} of a classification is not between 0 and 1")
        classes.append((names[item[0]], score))
    return classes


def _whole_numbers(document: Document, owner: str, items: Any) -> list[int] | None:
    if items is None:
        return None
    if not isinstance(items, list) or not all(type(item) is int and 0 <= item < 2**31 for item in items):
        document.fail(f"{owner}: `frames_processed` must be a list of whole numbers, got {shown(items)}")
    return items


def _check_numbers(document: Document, found: _Found) -> None:
    """Raise for the first wrong score, or else the first wrong box."""
    boxes = np.array(found.boxes, float).reshape(-1, 4)
    problem = score_problem(np.array(found.scores, float)) or box_problem(boxes, tolerance=BOX_TOLERANCE)
    if problem is None:
        return
    rows = [row for row, start in enumerate(found.starts) if start is not None and start <= problem[0]]
    document.fail(f"picture {rows[-1]} ({shown(found.files[rows[-1]])}): {problem[1]}")


def _columns(document: Document, found: _Found, classified: bool) -> Iterator[tuple[pa.Array, pa.Field]]:
    """Yield the columns and their fields."""
    boxes = np.array(found.boxes, float).reshape(-1, 4)
    members = {
        "label": column(document, "detections", found.labels, pa.string()),
        "score": pa.array(found.scores, pa.float64()),
    }
    members |= {name: pa.array(boxes[:, place]) for place, name in enumerate(BOX)}
    if classified:
        structs = [None if c is None else [{"label": n, "score": s} for n, s in c] for c in found.classes]
        members["classifications"] = column(document, "detections", structs, pa.list_(_CLASS))
    videos = any(
        value is not None for values in (found.frames, found.rates, found.processed) for value in values
    )
    if videos:
        members["frame_number"] = pa.array(found.frames, pa.int32())
    kind = pa.struct([(name, array.type) for name, array in members.items()])
    values = pa.StructArray.from_arrays(list(members.values()), fields=list(kind))
    offsets = pa.array([*found.starts, len(found.labels)], pa.int32())
    columns = {
        "file": column(document, "file", found.files, pa.string()),
        "detections": pa.ListArray.from_arrays(offsets, values),
        "failure": column(document, "failure", found.failures, pa.string()),
    }
    if videos:
        columns["frame_rate"] = pa.array(found.rates, pa.float64())
        columns["frames_processed"] = pa.array(found.processed, pa.list_(pa.int32()))
    for name, array in columns.items():
        yield array, pa.field(name, array.type)
