"""The pictures of a memory card and what is known of each of them."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import counted
from mmlrs.camera_traps._folders import Found, walk_pictures
from mmlrs.camera_traps._paths_of_pictures import relative_files
from mmlrs.camera_traps._rows import Rows
from mmlrs.errors import InvalidParamError, IoError
from mmlrs.image import SequenceGrouper

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.saved_study import StudyModel

__all__ = ["Card"]

#: The time of a picture that has none, in microseconds since 1970.
_NO_TIME = np.iinfo(np.int64).min
#: Folders that cameras make: DCIM, and in it folders of three digits and five other characters.
OF_CAMERAS = re.compile(r"DCIM|\d{3}[A-Z0-9_]{5}", re.IGNORECASE)


def _no_failures() -> dict[int, str]:
    return {}


@dataclass
class Card:
    """The pictures of a folder and their scores. A picture takes some hundred bytes of memory.

    Parameters
    ----------
    folder : str
        The folder.
    names : list of str
        The paths of the pictures in the folder, in order, as the system knows them.
    files : list of str
        The same as text that every file can hold.
    sizes, changed : numpy.ndarray
        The bytes of each file, -1 if it is not there, and the time of its last change in nanoseconds.
    found : Found
        What else is in the folder.
    """

    folder: str
    names: list[str]
    files: list[str]
    sizes: np.ndarray[Any, np.dtype[np.int64]]
    changed: np.ndarray[Any, np.dtype[np.int64]]
    found: Found
    failures: dict[int, str] = field(default_factory=_no_failures)

    def __post_init__(self) -> None:
        """Begin without scores."""
        count = len(self.names)
        self.scores = np.full(count, np.nan)
        self.times = np.full(count, _NO_TIME, np.int64)
        self.widths, self.heights = np.zeros((2, count), np.int32)
        self.done = np.zeros(count, bool)

    @classmethod
    def of(cls, function: str, folder: str) -> Card:
        """Return the pictures of a folder.

        Raises
        ------
        IoError
            The folder or one below cannot be read.
        InvalidParamError
            There are no pictures, or a name that no result can hold.
        """
        if not os.path.isdir(folder):
            problem = "is a file; pass its folder" if os.path.exists(folder) else "does not exist"
            raise IoError(f"{function}: param `folder`: {folder} {problem}")
        found = Found()
        names = list(walk_pictures(function, folder, found))
        if not names:
            more = counted(found.others, "other file") if found.others else "nothing else"
            raise InvalidParamError(
                f"{function}: param `folder`: there are no pictures in {folder} and below; there is {more}"
            )
        files = [_text(name) for name in names]
        # Fails now if the files of results could not hold a name.
        relative_files(Rows(function, pa.table({"file": files})), None)
        facts = np.array([_facts(os.path.join(folder, name)) for name in names], np.int64)
        return cls(folder, names, files, facts[:, 0], facts[:, 1], found)

    def note(self, place: int, row: list[Any]) -> None:
        """Keep the score, the failure, the time, the width and the height of a picture."""
        score, failure, time, width, height = row
        if score is not None:
            self.scores[place] = score
        if failure is not None:
            self.failures[place] = failure
        self.times[place] = _NO_TIME if time is None else time
        self.widths[place], self.heights[place] = width or 0, height or 0
        self.done[place] = True

    def row(self, place: int) -> list[Any]:
        """Return the name, the size and the change of a file and what `note` keeps, as a row of a journal."""
        score, time = float(self.scores[place]), int(self.times[place])
        return [
            self.names[place],
            int(self.sizes[place]),
            int(self.changed[place]),
            None if math.isnan(score) else score,
            self.failures.get(place),
            None if time == _NO_TIME else time,
            int(self.widths[place]) or None,
            int(self.heights[place]) or None,
        ]

    def resume(self, rows: Iterator[list[Any]]) -> int:
        """Keep the rows of a journal whose pictures have not changed since, and return how many pictures are done."""
        places = {name: place for place, name in enumerate(self.names)}
        for name, size, changed, *known in rows:
            place = places.get(name)
            if place is not None and (size, changed) == (self.sizes[place], self.changed[place]):
                self.failures.pop(place, None)
                self.note(place, known)
        return int(self.done.sum())

    def locations(self, levels: int | None) -> list[str]:
        """Return the camera of each picture: the first `levels` folders of its path, or all but those that cameras make."""
        whole = os.path.basename(os.path.abspath(self.folder)) or self.folder
        return [_location(file, levels) or _text(whole) for file in self.files]

    @cached_property
    def is_failed(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which pictures failed; for the end, when all are done."""
        failed = np.zeros(len(self.names), bool)
        failed[list(self.failures)] = True
        return failed

    def table(self, model: StudyModel, levels: int | None) -> pa.Table:
        """Return one row per picture for the files of results; scores are those of bursts if the model asks for it."""
        known = self.times != _NO_TIME
        sized = (self.widths > 0) & (self.heights > 0)
        table = pa.table(
            {
                "file": pa.array(self.files, pa.string()),
                "location": pa.array(self.locations(levels), pa.string()),
                "time": pa.array(self.times, pa.timestamp("us"), mask=~known),
                "width": pa.array(self.widths, mask=~sized),
                "height": pa.array(self.heights, mask=~sized),
                "score": pa.array(self.scores, mask=self.is_failed),
                "failure": pa.array(
                    [self.failures.get(place) for place in range(len(self.files))], pa.string()
                ),
            }
        )
        return table if model.gap_seconds is None else _averaged(table, model.gap_seconds)


def _text(name: str) -> str:
    """Return a name as text. A name that is not UTF-8, as of an old card, is read as Windows-1252."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("cp1252", "replace")
    return name


def _facts(path: str) -> tuple[int, int]:
    """Return the size of a file and when it was changed. What is no file, or cannot be asked, has the size -1."""
    try:
        about = os.stat(path)
    except OSError:
        return -1, 0
    return (about.st_size, about.st_mtime_ns) if stat.S_ISREG(about.st_mode) else (-1, 0)


def _location(file: str, levels: int | None) -> str:
    folders = file.split("/")[:-1]
    if levels is not None:
        return "/".join(folders[:levels])
    # A folder such as 123NORTH at the top may be a place.
    while (
        folders and OF_CAMERAS.fullmatch(folders[-1]) and (len(folders) > 1 or folders[0].upper() == "DCIM")
    ):
        folders.pop()
    return "/".join(folders)


def burst_folder(file: str) -> str | None:
    """Return `camera/burst` of `camera/burst/frame.jpg`."""
    *folders, _ = file.split("/")
    if len(folders) != 2 or any(OF_CAMERAS.fullmatch(name) for name in folders):
        return None
    return "/".join(folders)


def _averaged(table: pa.Table, gap: float) -> pa.Table:
    """Return the table with the sequence of each picture and its place in it, and with the mean score of the sequence."""
    grouper = SequenceGrouper(
        locationCol="location", timeCol="time", idCol="file", gapSeconds=float(gap), outputCol="sequence"
    )
    rows = grouper.transform(table)
    # As in the study: a folder per burst counts where there is no time.
    folders = pa.array(map(burst_folder, rows["file"].to_pylist()), pa.string())
    apart = pc.and_(pc.is_null(rows["time"].combine_chunks()), pc.is_valid(folders))
    sequences = pc.if_else(apart, folders, rows["sequence"].combine_chunks())
    rows = rows.set_column(rows.column_names.index("sequence"), "sequence", sequences)
    codes = pc.dictionary_encode(rows.column("sequence").combine_chunks()).indices.to_numpy()
    scores = rows.column("score").combine_chunks()
    known = scores.is_valid().to_numpy(zero_copy_only=False)
    values = pc.fill_null(scores, 0).to_numpy()
    counts = np.bincount(codes, known)
    sums = np.bincount(codes, values)
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)[codes]
    # The place of each picture in its sequence, by time.
    order = np.lexsort((rows.column("time").combine_chunks().cast(pa.int64()).fill_null(0).to_numpy(), codes))
    sizes = np.bincount(codes)
    frames = np.empty(len(codes), np.int32)
    frames[order] = np.arange(len(codes)) - (np.cumsum(sizes) - sizes)[codes[order]]
    place = rows.column_names.index("score")
    rows = rows.set_column(place, "score", pa.array(means, mask=~known))
    return rows.append_column("frame", pa.array(frames)).append_column(
        "frames", pa.array(sizes[codes], pa.int32())
    )
