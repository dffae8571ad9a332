"""Where stages are saved: a folder appears whole under its name, or not at all.

A stage is written to a folder beside its place, and takes its place by a rename when all of it is there. What is replaced
is set aside by a rename too, and removed last. Through Spark Connect, files that this machine does not see cannot be
renamed: there the content goes to a folder of its own, which the metadata name, and these are written last.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from typing import Any, Protocol

from mmlrs._paths import is_remote, local_path, with_space
from mmlrs.errors import IoError, MmlrsError

__all__ = ["Place", "content_folder", "in_session", "is_connect", "named_errors", "reason_of", "saved_whole"]

_NEW = re.compile(r"content-[0-9a-f]{32}")


class Place:
    """A folder to write a stage to.

    Parameters
    ----------
    folder : str
        Where the metadata go.
    content : str
        The folder in it that holds all else, or "" for the folder itself.
    """

    def __init__(self, folder: str, content: str = "") -> None:
        self.folder = folder
        self.content = content

    @property
    def inside(self) -> str:
        """Return the folder that holds all but the metadata."""
        return f"{self.folder}/{self.content}" if self.content else self.folder


def content_folder(path: str, name: Any) -> str:
    """Return the folder of the content, which the metadata name; the name is checked, since it comes from a file."""
    if name is None:
        return path
    if not isinstance(name, str) or not _NEW.fullmatch(name):
        raise IoError(f"{path}/metadata: names {name!r:.80} as the folder of the content; they are damaged")
    return f"{path}/{name}"


def reason_of(error: BaseException) -> str:
    """Return what an error of any library says, without the traces of Spark."""
    from mmlrs.automl.causes import cause_of

    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return cause_of(error)[:500]


@contextlib.contextmanager
def named_errors(path: str, what: str) -> Iterator[None]:
    """Turn every error into one of mmlrs that names the path; `what` completes "the path ..."."""
    try:
        yield
    except MmlrsError as error:
        if path in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # whatever libraries and damaged files raise
        raise IoError(with_space(f"{path}: {what}: {reason_of(error)}", path, error)) from error


class _Files(Protocol):
    """A file system on which folders can be renamed."""

    def exists(self, path: str) -> bool: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, path: str) -> None: ...


class _Local:
    """The files of this machine."""

    def exists(self, path: str) -> bool:
        path = local_path(path)
        return os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path))

    def rename(self, old: str, new: str) -> None:
        os.rename(local_path(old), local_path(new))

    def remove(self, path: str) -> None:
        path = local_path(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.remove(path)


class _Hadoop:
    """The files that a classic session knows."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark

    def _at(self, path: str) -> tuple[Any, Any]:
        place = self.spark._jvm.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(self.spark._jsc.hadoopConfiguration()), place

    def exists(self, path: str) -> bool:
        files, place = self._at(path)
        return bool(files.exists(place))

    def rename(self, old: str, new: str) -> None:
        files, place = self._at(old)
        # A folder that is there would take the other one into it.
        if files.exists(self._at(new)[1]) or not files.rename(place, self._at(new)[1]):
            raise IoError(f"{new}: the file system cannot rename {old} to it")

    def remove(self, path: str) -> None:
        files, place = self._at(path)
        files.delete(place, True)


class _Connect:
    """The files of a Connect server: they can be removed, and not renamed."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark

    def exists(self, path: str) -> bool:
        from pyspark.errors import AnalysisException

        try:
            _ = self.spark.read.format("binaryFile").load(path).schema
        except AnalysisException as error:
            if error.getCondition() == "PATH_NOT_FOUND":
                return False
            raise
        return True

    def rename(self, old: str, new: str) -> None:
        raise IoError(
            f"{new}: Spark Connect cannot rename {old}, and this machine does not see it; save to another path"
        )

    def remove(self, path: str) -> None:
        from pyspark.ml.connect.readwrite import RemoteMLWriter

        RemoteMLWriter.handleOverwrite(path, True)


def is_connect(spark: Any) -> bool:
    """Is this a session of Spark Connect?"""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def in_session(spark: Any) -> Any:
    """Return the files that a session, or without one this process, reads and writes."""
    if spark is None:
        return _Local()
    return _Connect(spark) if is_connect(spark) else _Hadoop(spark)


def _beside(path: str) -> str:
    """Return a new path in the same folder."""
    head, slash, _ = path.rpartition("/")
    return f"{head}{slash}.mmlrs-{uuid.uuid4().hex}.part"


def _can_be_beside(path: str) -> bool:
    """Is there a folder around the path? There is none around a bucket."""
    return bool(re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*/?", "", path))


@contextlib.contextmanager
def saved_whole(spark: Any, path: str, *, overwrite: bool) -> Iterator[Place]:
    """Give a place to write a stage to; what lies there appears at the path when the block is over.

    Raises
    ------
    IoError
        There is something at the path already, and `overwrite` is not set.
    """
    path = path.rstrip("/") or path
    if not is_remote(path) and os.path.islink(local_path(path)):
        path = os.path.realpath(local_path(path))
    files = in_session(spark)
    if not overwrite and files.exists(path) and not _is_empty_here(path):
        raise IoError(f"{path}: already exists; use write().overwrite()")
    if not _can_be_beside(path) or (spark is not None and is_connect(spark) and not _seen_here(spark, path)):
        with _in_place(spark, files, path) as place:
            yield place
        return
    part = _beside(path)
    try:
        yield Place(part)
        # Where this machine sees what the session wrote, it can rename it.
        here = not is_remote(path) and os.path.isdir(local_path(part))
        _put(_Local() if here else files, part, path, overwrite=overwrite)
    except BaseException:
        _removed(files, part)
        raise


def _removed(files: Any, path: str) -> None:
    """Remove what was begun; an error of that must not hide the one that led here."""
    for place in (files, _Local()):
        with contextlib.suppress(Exception):
            if place is files or not is_remote(path):
                place.remove(path)


def _put(files: _Files, part: str, path: str, *, overwrite: bool) -> None:
    """Rename a finished folder to its place; what is there is removed when the new one is in its place."""
    aside = None
    if files.exists(path):
        if not overwrite:
            raise IoError(f"{path}: already exists; use write().overwrite()")
        aside = _beside(path)
        files.rename(path, aside)
    try:
        files.rename(part, path)
    except BaseException:
        if aside is not None:
            files.rename(aside, path)
        raise
    if aside is not None:
        files.remove(aside)


def _is_empty_here(path: str) -> bool:
    """Is the path an empty folder of this machine?"""
    here = "" if is_remote(path) else local_path(path)
    return os.path.isdir(here) and not os.listdir(here)


def _seen_here(spark: Any, path: str) -> bool:
    """Does this machine see the files that a Connect server writes? It is tried."""
    if is_remote(path):
        return False
    probe = _beside(path)
    spark.createDataFrame([("",)], "value string").write.text(probe)
    seen = os.path.isdir(local_path(probe))
    _removed(in_session(spark), probe)
    return seen


@contextlib.contextmanager
def _in_place(spark: Any, files: Any, path: str) -> Iterator[Place]:
    """Give a place at the path itself, beside the content of an older stage, which is removed at the end."""
    older = _older_content(spark, path) if files.exists(path) else []
    place = Place(path, f"content-{uuid.uuid4().hex}")
    try:
        yield place
    except BaseException:
        _removed(files, place.inside)
        raise
    for folder in older:
        files.remove(folder)


def _older_content(spark: Any, path: str) -> list[str]:
    """Return the folders that a stage at the path has beside its metadata."""
    try:
        [row] = spark.read.text(f"{path}/metadata").take(1)
        found = json.loads(row[0]).get("content")
    except Exception:  # noqa: BLE001 - what lies there is none or a damaged one
        found = None
    return [content_folder(path, found)] if found else [f"{path}/models", f"{path}/stages"]
