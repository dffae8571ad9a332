"""Scores the pictures of a memory card: ``python -m mmlrs.examples.camera_traps.score --model OUT/model --images CARD``.

It needs neither Spark nor Java, and continues where it was interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmlrs._messages import counted, shown
from mmlrs._paths import PathLike, is_remote, local_path, path_of
from mmlrs._progress import progress
from mmlrs.engine.table import BATCH_BYTES
from mmlrs.errors import InvalidParamError, IoError, MmlrsError
from mmlrs.examples.camera_traps.card import Card
from mmlrs.examples.camera_traps.journal import Journal
from mmlrs.examples.camera_traps.results import FORMATS
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.image import ImageMetadata
from mmlrs.readers import MAX_BYTES

__all__ = ["FolderScores", "score_folder"]

_FUNCTION = "score_folder"
#: Threads that read files. Folders on a network answer several at once.
_READERS = 4


@dataclass(frozen=True)
class FolderScores:
    """What `score_folder` did.

    Parameters
    ----------
    path : str
        The file of the results.
    scored : int
        Pictures with a score, those of earlier runs included.
    failed : int
        Pictures without one; the file says why.
    resumed : int
        Pictures that an earlier, interrupted run had done.
    above : int
        Pictures whose score reaches the threshold.
    hidden, others, links : int
        What was skipped: names that begin with a dot, files with other endings, and links to folders.
    """

    path: str
    scored: int
    failed: int
    resumed: int
    above: int
    hidden: int = 0
    others: int = 0
    links: int = 0

    def __str__(self) -> str:
        """Return the numbers as a sentence."""
        parts = [
            f"{counted(self.scored, 'picture')} scored, {self.above:,} from the threshold on, {self.failed:,} failed"
        ]
        if self.resumed:
            parts.append(f"{self.resumed:,} done by an earlier run")
        skipped = [
            counted(count, noun)
            for count, noun in (
                (self.hidden, "hidden name"),
                (self.others, "other file"),
                (self.links, "link to a folder"),
            )
            if count
        ]
        if skipped:
            parts.append(f"skipped {', '.join(skipped)}")
        return f"{self.path}: {'; '.join(parts)}"


def score_folder(
    model: StudyModel | PathLike,
    folder: PathLike,
    format: str = "megadetector",  # noqa: A002 - the word of all readers and writers
    output: PathLike | None = None,
    *,
    batch_size: int = 256,
    camera_levels: int | None = None,
    restart: bool = False,
) -> FolderScores:
    """Score the pictures in a folder and below with the model of a study, and write a file for other programs.

    Every picture is in the file exactly once. A picture that is damaged, empty, unreadable or no picture has the reason in place of a
    score. The work continues after an interruption of any kind: call the function again.

    Parameters
    ----------
    model : path or StudyModel
        The folder `model` of a study, or a model. Another fitted model becomes one by
        `StudyModel(mmlrs.compile(fitted), target="cat")`.
    folder : path
        Local folder. Files with the endings jpg, jpeg, png, tif, tiff, bmp, gif and webp, in any case, are pictures. Names that begin with a dot
        are skipped, as are links to folders; the result counts them.
    format : {"megadetector", "csv", "coco"}, default "megadetector"
        The format of the file.
    output : path, optional
        Local file to write. An existing file is replaced when the new one is complete. Default: a file `mmlrs-scores` in `folder`, with
        the ending of the format: `.json`, `.csv` or `.coco.json`.
    batch_size : int, default 256
        Pictures of a batch, at most. Large files make smaller batches. What an interruption can lose is one batch.
    camera_levels : int, optional
        How many folders of a path name the camera. Default: all of them, except `DCIM` and those that cameras number, such as `100RECNX`. A burst
        has one camera.
    restart : bool, default False
        Begin anew, instead of continuing after an interruption.

    Returns
    -------
    FolderScores
        The path of the file and the numbers of pictures.

    Raises
    ------
    InvalidParamError
        A param is not allowed, there are no pictures, or an interrupted run had another model or folder.
    IoError
        The folder or the model cannot be read, the file cannot be written, or another process is writing it.
    MmlrsError
        The model cannot run.

    Notes
    -----
    The results of finished batches are in the folder `<output>.partial` until the file is complete. A picture whose size or time of change
    is different since then is scored again. Files that could not be read are tried again.

    If the model averages over bursts, the score of a picture is the mean of its burst: pictures of one camera that follow each other by EXIF
    time. Pictures without a time belong together in a folder `camera/burst`, as in the study, and else stand alone. Files have the column `sequence` only in the format COCO.

    - "csv" has one line per picture: file, location, time, label (the target, or "no" and the target), score and failure. Its columns
      for detections and their boxes are empty.
    - "megadetector" is for Timelapse and AddaxAI. A picture has one detection, whose category is the target and whose box is the whole picture.
      The recommended threshold is that of the study.
    - "coco" has the labels only, without scores. Failed pictures are `corrupt`, and `info` has the reasons.

    Batches use all cores, and files are read meanwhile. Memory holds two batches of files, each of at most 64 MiB or one file, and some
    hundred bytes for each picture.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from mmlrs.compiled import CompiledModel
    >>> from mmlrs.examples.camera_traps import score_folder
    >>> from mmlrs.examples.camera_traps.saved_study import StudyModel
    >>> from mmlrs.image import UnrollBinaryImage
    >>> from mmlrs.testing import sample_image
    >>> card = tempfile.TemporaryDirectory()
    >>> _ = pathlib.Path(card.name, "1.jpg").write_bytes(sample_image("jpeg"))
    >>> _ = pathlib.Path(card.name, "2.jpg").write_bytes(b"")
    >>> chain = CompiledModel(stages=[UnrollBinaryImage(inputCol="image", outputCol="probability", height=1, width=1)])
    >>> model = StudyModel(chain, "bright", target_class="0")
    >>> done = score_folder(model, card.name, "csv")
    >>> done.scored, done.failed
    (1, 1)
    >>> card.cleanup()
    """
    root = _local("folder", folder)
    write, ending = _format(format)
    _whole("batch_size", batch_size, 1)
    if camera_levels is not None:
        _whole("camera_levels", camera_levels, 0)
    study = model if isinstance(model, StudyModel) else StudyModel.read(model)
    card = Card.of(_FUNCTION, root)
    target = _target(output, root, ending)
    about = {"model": study.identity, "folder": os.path.realpath(root)}
    with Journal(_FUNCTION, f"{target}.partial", about, restart=restart) as journal:
        resumed = card.resume(journal.rows())
        _score(study, card, journal, batch_size)
        table = card.table(study, camera_levels)
        write(table, study, journal.result)
        journal.finish(target)
    above = pc.sum(pc.greater_equal(table.column("score"), study.threshold)).as_py() or 0
    failed = int(card.is_failed.sum())
    return FolderScores(
        target,
        len(card.files) - failed,
        failed,
        resumed,
        above,
        card.found.hidden,
        card.found.others,
        card.found.links,
    )


def _local(name: str, path: PathLike) -> str:
    where = f"{_FUNCTION}: param `{name}`"
    local = path_of(path, where)
    if is_remote(local):
        raise InvalidParamError(f"{where} must be a local path, got {local}")
    return local_path(local)


def _format(name: object) -> tuple[Any, str]:
    if not isinstance(name, str) or name not in FORMATS:
        known = ", ".join(f'"{known}"' for known in FORMATS)
        raise InvalidParamError(f"{_FUNCTION}: param `format` must be one of {known}, got {shown(name)}")
    return FORMATS[name]


def _whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidParamError(
            f"{_FUNCTION}: param `{name}` must be a whole number of at least {least}, got {shown(value)}"
        )


def _target(output: PathLike | None, root: str, ending: str) -> str:
    """Return the real path of the file to write, which is checked before the work begins."""
    path = os.path.realpath(
        os.path.join(root, f"mmlrs-scores{ending}") if output is None else _local("output", output)
    )
    where = f"{_FUNCTION}: param `output`: {path}"
    if os.path.isdir(path):
        raise IoError(f"{where} is a folder; pass the path of a file")
    if not os.path.isdir(os.path.dirname(path)):
        raise IoError(f"{where} cannot be written: there is no folder {os.path.dirname(path)}")
    return path


# -- the work -----------------------------------------------------------------------------------------------------------


def _score(study: StudyModel, card: Card, journal: Journal, batch_size: int) -> None:
    """Score the pictures that are not done, batch by batch, while the files of the next batch are read."""
    remaining = np.flatnonzero(~card.done).tolist()
    total = len(card.names)
    with (
        progress("score", total, "picture", done=total - len(remaining)) as bar,
        ThreadPoolExecutor(_READERS) as pool,
    ):
        batches = _batches(card, remaining, batch_size)
        read = None
        for places in chain(batches, [None]):
            ahead = (
                None if places is None else (places, [pool.submit(_content, card, place) for place in places])
            )
            if read is not None:
                contents = [work.result() for work in read[1]]
                _score_batch(study, card, journal, read[0], contents)
                bar.update(len(contents))
            read = ahead


def _batches(card: Card, places: list[int], size: int) -> Iterator[list[int]]:
    """Yield pictures that are scored together: few enough, and few enough bytes."""
    batch: list[int] = []
    bytes_of_batch = 0
    for place in places:
        length = max(int(card.sizes[place]), 0)
        if batch and (len(batch) >= size or bytes_of_batch + length > BATCH_BYTES):
            yield batch
            batch, bytes_of_batch = [], 0
        batch.append(place)
        bytes_of_batch += length
    if batch:
        yield batch


def _content(card: Card, place: int) -> bytes | str:
    """Return the bytes of a file, or why there are none."""
    path = os.path.join(card.folder, card.names[place])
    try:
        if card.sizes[place] < 0 and os.path.exists(path):
            return "cannot be read: it is not a regular file"
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                return f"too large: {size:,} bytes exceed the limit of {MAX_BYTES:,}"
            return file.read()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _score_batch(
    study: StudyModel, card: Card, journal: Journal, places: list[int], contents: list[bytes | str]
) -> None:
    """Score a batch, keep the results, and add those that will not change to the journal."""
    read = [
        (place, content)
        for place, content in zip(places, contents, strict=True)
        if isinstance(content, bytes)
    ]
    for place, content in zip(places, contents, strict=True):
        if isinstance(content, str):
            card.note(place, [None, content, None, None, None])
    if not read:
        return
    table = pa.table(
        {
            "file": pa.array([card.files[place] for place, _ in read], pa.string()),
            "image": pa.array([content for _, content in read], pa.large_binary()),
        }
    )
    scored = study.score(table)
    facts = ImageMetadata(inputCol="image", outputCol="facts", handleInvalid="keep").transform(table)["facts"]
    columns = [scored.column(name).to_pylist() for name in ("probability", "failure")]
    for name in ("time", "width", "height"):
        values = pc.struct_field(facts, name)
        columns.append(
            (values.cast(pa.timestamp("us")).cast(pa.int64()) if name == "time" else values).to_pylist()
        )
    for (place, _), *row in zip(read, *columns, strict=True):
        card.note(place, row)
    journal.add([card.row(place) for place, _ in read])


# -- the command --------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(
        prog="python -m mmlrs.examples.camera_traps.score",
        description="Score the pictures of a folder with the model of a study. Call it again to continue after an interruption.",
    )
    parser.add_argument("--model", required=True, help="the folder `model` of a study")
    parser.add_argument("--images", required=True, help="folder of the pictures")
    parser.add_argument("--out", help="file to write; default: mmlrs-scores in the folder of the pictures")
    parser.add_argument(
        "--format", choices=list(FORMATS), default="megadetector", help="default: %(default)s"
    )
    parser.add_argument(
        "--batch-size", type=int, default=256, help="pictures of a batch; default: %(default)s"
    )
    parser.add_argument(
        "--camera-levels", type=int, help="folders of a path that name the camera; default: all"
    )
    parser.add_argument("--restart", action="store_true", help="begin anew after an interruption")
    asked = parser.parse_args(arguments)
    try:
        done = score_folder(
            asked.model,
            asked.images,
            asked.format,
            asked.out,
            batch_size=asked.batch_size,
            camera_levels=asked.camera_levels,
            restart=asked.restart,
        )
    except MmlrsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues")
    print(done)


if __name__ == "__main__":
    main()
