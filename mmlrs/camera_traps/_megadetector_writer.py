"""Write results in the format of MegaDetector."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import shown
from mmlrs._paths import PathLike
from mmlrs._places import atomic_file
from mmlrs.camera_traps._json_files import kept_document, write_members
from mmlrs.camera_traps._megadetector_header import category_ids, class_ids, info_member
from mmlrs.camera_traps._megadetector_reader import BOX_TOLERANCE, MEGADETECTOR, score_problem
from mmlrs.camera_traps._paths_of_pictures import relative_files
from mmlrs.camera_traps._rows import BOX, Lists, Rows, box_problem

if TYPE_CHECKING:
    from mmlrs._types import Dataset

__all__ = ["write_megadetector"]

_FUNCTION = "write_megadetector"
#: Decimals of confidences and coordinates, those of MegaDetector's own tools (CONF_DIGITS, COORD_DIGITS).
_SCORE_DIGITS = 3
_BOX_DIGITS = 4
#: Files that count as videos for MegaDetector and its peers.
_VIDEO = re.compile(r"\.(mp4|avi|mpe?g|mov|mkv|m4v|wmv|flv)$", re.IGNORECASE)


def write_megadetector(
    table: Dataset,
    path: PathLike,
    *,
    detector: str | None = None,
    categories: Sequence[str] | Mapping[str, str] | None = None,
    typical_threshold: float | None = None,
    conservative_threshold: float | None = None,
    root: PathLike | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write detections as a file of version 1.6 of MegaDetector's format, which Timelapse and AddaxAI open.

    A failed picture is written with its reason and without detections, never as an empty one.

    Parameters
    ----------
    table : DataFrame or table
        One row per picture, with the columns that `read_megadetector` returns: `file`, `detections`, and `failure` if pictures
        failed. Other columns are not written. A DataFrame of Spark is collected.
    path : path
        Local JSON file to write. An existing file is replaced when the new one is complete.
    detector : str, optional
        File name of the model, which other tools show. Default: that of the file that the table was read from, else none.
    categories : list of str, or dict of str to str, optional
        The labels of detections. A list gets the ids "1", "2", and so on; a dict maps ids to labels. Default: those of the file that
        the table was read from, else animal, person and vehicle, followed by all other labels of the table. The id "0" is not
        allowed: the format reserves it for empty pictures.
    typical_threshold : float, optional
        The score from which a detection usually counts, between 0 and 1, a recommendation to other tools. Default 0.2, unless the
        table was read from a file with another one.
    conservative_threshold : float, optional
        The score below which a detection can be ignored, at most `typical_threshold`. Default 0.05, with the same exception.
    root : path, optional
        Folder of the pictures, below which paths are relative. Needed if `file` holds absolute paths or `file:` URIs.
    info : dict, optional
        More members of `info`, for instance `{"classifier": "..."}`. They replace those of the file that the table was read from.

    Raises
    ------
    InvalidParamError
        A row cannot be written; the message names it. A failed picture has no reason, or detections; a path is absolute, leads
        out of the folder, or is repeated; a score is not between 0 and 1; a box has a negative size or exceeds the picture by
        more than 0.001; a label is not one of `categories`; a video lacks its frames. Or another param is not allowed.
    ColumnNotFoundError, SchemaMismatchError
        There is no column `file` or `detections`, or a column has another type.
    IoError
        The file cannot be written.

    Notes
    -----
    A video, by the ending of its name, needs the columns `frame_rate` and `frames_processed` and the member `frame_number` of its
    detections, unless it failed. Scores are rounded to 3 decimals and coordinates to 4, as MegaDetector does, and boxes end at the edge of the picture. Backslashes
    become forward slashes. Classifications are sorted by their scores. `detection_completion_time` is the time of writing,
    unless `info`, or the file that the table was read from, has one. The format: https://lila.science/megadetector-output-format.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as pa
    >>> from mmlrs.camera_traps import read_megadetector, write_megadetector
    >>> fox = {"label": "animal", "score": 0.92584, "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
    >>> table = pa.table(
    ...     {"file": ["1.jpg", "2.jpg", "3.jpg"], "detections": [[fox], [], None], "failure": [None, None, "not a picture"]}
    ... )
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "results.json")
    >>> write_megadetector(table, path, detector="model.onnx")
    >>> read = read_megadetector(path)
    >>> read["detections"][0][0]["score"].as_py(), read["detections"].is_null().to_pylist()
    (0.926, [False, False, True])
    >>> folder.cleanup()
    """
    rows = Rows(_FUNCTION, table)
    kept = kept_document(rows.table, MEGADETECTOR)
    files = relative_files(rows, root)
    lists = rows.lists("detections", of="detections", required=True)
    assert lists is not None
    failures = _failures(rows, lists)
    members = rows.members("detections", lists, ("label", "score", *BOX))
    labels: list[str] = members["label"].to_pylist()
    ids = category_ids(rows, lists, labels, categories, kept)
    classes, about_classes = class_ids(rows, lists, kept, _SCORE_DIGITS)
    header = {
        "info": info_member(_FUNCTION, kept, info, detector, typical_threshold, conservative_threshold),
        "detection_categories": ids.listed,
        **about_classes,
    }
    detections = [
        {"category": ids.by_label[label], "conf": score, "bbox": box}
        for label, score, box in zip(
            labels, _scores(rows, lists, members), _boxes(rows, lists, members), strict=True
        )
    ]
    for detection, ranked in zip(detections, classes, strict=True):
        if ranked is not None:
            detection["classifications"] = ranked
    videos = _videos(rows, lists, detections)
    images = _images(files, lists.per_row(detections), failures, videos)
    with atomic_file(f"{_FUNCTION}:", path) as file:
        write_members(file, {**header, "images": images})


def _failures(rows: Rows, lists: Lists) -> list[str | None]:
    """Return why each picture failed; null if it did not."""
    failures = rows.values("failure")
    for row, (failure, length) in enumerate(zip(failures, lists.lengths.tolist(), strict=True)):
        if length >= 0 and failure is not None:
            rows.fail(
                row,
                f"has a `failure` {shown(failure)} and `detections`, which must be null for a failed picture",
            )
        if length < 0 and (failure is None or not failure.strip()):
            rows.fail(
                row,
                "`detections` is null, so the picture failed, and `failure` must say why; a picture in which nothing was found "
                "has an empty list",
            )
    return failures


def _scores(rows: Rows, lists: Lists, members: Mapping[str, pa.Array]) -> list[float]:
    scores = members["score"].to_numpy(zero_copy_only=False)
    problem = score_problem(scores)
    if problem is not None:
        rows.fail(lists.row_of(problem[0]), problem[1])
    rounded: list[float] = np.round(scores, _SCORE_DIGITS).tolist()
    return rounded


def _boxes(rows: Rows, lists: Lists, members: Mapping[str, pa.Array]) -> list[list[float]]:
    """Return boxes that end at the edge of the picture, rounded."""
    boxes = np.stack([members[name].to_numpy(zero_copy_only=False) for name in BOX], axis=1)
    problem = box_problem(boxes, tolerance=BOX_TOLERANCE)
    if problem is not None:
        rows.fail(lists.row_of(problem[0]), problem[1])
    start: npt.NDArray[np.float64] = np.clip(boxes[:, :2], 0, 1)
    size = np.clip(boxes[:, :2] + boxes[:, 2:], 0, 1) - start
    start, size = np.round(start, _BOX_DIGITS), np.round(size, _BOX_DIGITS)
    size = np.minimum(size, np.round(1 - start, _BOX_DIGITS))
    found: list[list[float]] = np.concatenate([start, size], axis=1).tolist()
    return found


def _videos(rows: Rows, lists: Lists, detections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the members of each video, and add the frames of its detections."""
    kind = lists.values.type
    if pa.types.is_struct(kind) and kind.get_field_index("frame_number") >= 0:
        numbers = rows.cast("frame_number", pc.struct_field(lists.values, ["frame_number"]), "whole numbers")
        for detection, number in zip(detections, numbers.to_pylist(), strict=True):
            if number is not None:
                detection["frame_number"] = number
    processed = rows.lists("frames_processed", of="whole numbers")
    frames: list[list[int] | None] = [None] * len(rows)
    if processed is not None:
        frames = processed.per_row(
            rows.cast("frames_processed", processed.values, "whole numbers").to_pylist()
        )
    rates = rows.values("frame_rate", "numbers")
    return [
        _video(rows, row, rate, done, detections[start : start + max(length, 0)])
        for row, (rate, done, start, length) in enumerate(
            zip(rates, frames, lists.starts.tolist(), lists.lengths.tolist(), strict=True)
        )
    ]


def _video(
    rows: Rows, row: int, rate: float | None, frames: list[int] | None, detections: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the members of a video; none for a picture."""
    if rate is not None and not 0 < rate < float("inf"):
        rows.fail(row, f"`frame_rate` must be greater than 0, got {rate}")
    found = {"frame_rate": rate, "frames_processed": frames}
    if not _VIDEO.search(rows.files[row]):
        return {name: value for name, value in found.items() if value is not None}
    if rows.table["detections"][row].is_valid:
        if None in found.values() or not all("frame_number" in detection for detection in detections):
            rows.fail(
                row, "a video needs `frame_rate`, `frames_processed`, and `frame_number` in its detections"
            )
        return found
    # A failed video as MegaDetector writes it.
    return {"frame_rate": -1.0 if rate is None else rate, "frames_processed": frames or []}


def _images(
    files: list[str],
    detections: list[list[dict[str, Any]] | None],
    failures: list[str | None],
    videos: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    for file, found, failure, video in zip(files, detections, failures, videos, strict=True):
        image = {"file": file, **video, "detections": found}
        yield image if failure is None else {**image, "failure": failure}
