"""Bursts: which pictures a camera took of one visit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import counted
from mmlrs.examples.camera_traps.card import burst_folder
from mmlrs.image import ImageMetadata, SequenceGrouper

__all__ = ["GAP_SECONDS", "with_visits"]

#: Seconds between two pictures of a burst, at most.
GAP_SECONDS = 60
#: Bytes of the beginning of a JPEG file, in which its EXIF data are. A segment has at most 64 KiB, and there are a few.
HEAD_BYTES = 262_144
#: Files whose beginnings are in memory at a time.
_AT_ONCE = 256


def with_visits(images: Path, rows: pa.Table) -> tuple[pa.Table, str]:
    """Return the rows with a `sequence` that is never null, and how it was found.

    A sequence of the labels counts. Else pictures of one location whose times, of the labels or of EXIF, are at most a minute apart
    belong together. Pictures without a valid time belong to their folder if it is `camera/burst`, and else stand alone.
    """
    given = rows["sequence"].combine_chunks()
    if given.null_count == 0:
        return rows, "as the labels say"
    times = rows["time"].combine_chunks()
    if times.null_count:
        times = pc.coalesce(times, _times(images, rows["file"].to_pylist()))
    bare = pa.table({"file": rows["file"], "location": rows["location"], "time": times})
    grouper = SequenceGrouper(
        locationCol="location", timeCol="time", idCol="file", gapSeconds=GAP_SECONDS, outputCol="sequence"
    )
    timed = grouper.transform(bare)["sequence"].combine_chunks()
    folders = pa.array(map(burst_folder, rows["file"].to_pylist()), pa.string())
    apart = pc.and_(pc.is_null(times), pc.is_valid(folders))
    found = pc.coalesce(given, pc.if_else(apart, folders, timed))
    place = rows.column_names.index("sequence")
    return rows.set_column(place, "sequence", found), _told(given, times, folders)


def _told(given: pa.Array, times: pa.Array, folders: pa.Array) -> str:
    """Return how bursts were found, in words."""
    open_ = pc.is_null(given)
    by_time = int(pc.sum(pc.and_(open_, pc.is_valid(times))).as_py())
    untimed = pc.and_(open_, pc.is_null(times))
    by_folder = int(pc.sum(pc.and_(untimed, pc.is_valid(folders))).as_py())
    alone = int(pc.sum(untimed).as_py()) - by_folder
    labelled = len(given) - given.null_count
    parts = [
        (labelled, "as the labels say"),
        (by_time, f"by camera and time, at most {GAP_SECONDS} seconds from one picture to the next"),
        (by_folder, "by the folder camera/burst"),
        (alone, "alone, since there is neither a time nor a folder per burst"),
    ]
    return "; ".join(f"{counted(count, 'picture')} {how}" for count, how in parts if count)


def _times(images: Path, files: list[str]) -> pa.Array:
    """Return when the pictures were taken, null where the file does not say."""
    reader = ImageMetadata(inputCol="image", outputCol="facts", handleInvalid="keep")
    parts = []
    for start in range(0, len(files), _AT_ONCE):
        beginnings = pa.array(_beginnings(images, files[start : start + _AT_ONCE]), pa.binary())
        facts = reader.transform(pa.table({"image": beginnings}))["facts"].combine_chunks()
        times = pc.struct_field(facts, "time")
        parts.append(pc.if_else(facts.is_valid(), times, pa.scalar(None, times.type)))
    return pa.chunked_array(parts).combine_chunks().cast(pa.timestamp("us"))


def _beginnings(images: Path, files: list[str]) -> Iterator[bytes | None]:
    for name in files:
        path = images / name
        whole = path.suffix.casefold() not in (".jpg", ".jpeg")  # others have EXIF data at their end
        try:
            with path.open("rb") as file:
                yield file.read() if whole else file.read(HEAD_BYTES)
        except OSError:
            yield None  # the study reads the picture again, and reports why it cannot
