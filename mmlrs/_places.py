"""Save folders and files atomically: they appear complete under their name, or not at all.

A stage is written to a temporary folder next to its path and renamed when it is complete. A folder that it replaces is renamed
first and removed last. Spark Connect cannot rename files on a server whose file system this machine does not see. In that case
the content is written to a new folder that the metadata name, and the metadata are written last.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Protocol

from mmlrs._paths import PathLike, is_remote, local_path, path_of, with_space
from mmlrs.errors import InvalidParamError, IoError, MmlrsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = [
    "Place",
    "content_folder",
    "in_session",
    "is_connect",
    "named_errors",
    "reason_of",
    "atomic_file",
    "atomic_folder",
]

_NEW = re.compile(r"content-[0-9a-f]{32}")


class Place:
    """A folder to write a stage to.

    Parameters
    ----------
    folder : str
        Folder of the metadata.
    content : str
        Name of the subfolder of everything else, or "" for the folder itself.
    """

    def __init__(self, folder: str, content: str = "") -> None:
        self.folder = folder
        self.content = content

    @property
    def inside(self) -> str:
        """Return the folder of everything except the metadata."""
        return f"{self.folder}/{self.content}" if self.content else self.folder


def content_folder(path: str, name: Any) -> str:
    """Return the folder of the content, which the metadata name. The name is checked, because it comes from a file."""
    if name is None:
        return path
    if not isinstance(name, str) or not _NEW.fullmatch(name):
        raise IoError(
            f"{path}/metadata: names {name!r:.80} as the folder of the content; the saved stage is damaged"
        )
    return f"{path}/{name}"


def reason_of(error: BaseException) -> str:
    """Return the message of an error of any library, without Spark's stack traces."""
    from mmlrs.engine.causes import cause_of

    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return cause_of(error)[:500]


@contextlib.contextmanager
def named_errors(path: str, problem: str) -> Iterator[None]:
    """Convert every error to one of mmlrs that names the path; `problem` follows the path in the message."""
    try:
        yield
    except MmlrsError as error:
        if path in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # libraries raise anything on damaged files
        raise IoError(with_space(f"{path}: {problem}: {reason_of(error)}", path, error)) from error


class _Files(Protocol):
    """A file system on which folders can be renamed."""

    def exists(self, path: str) -> bool: ...
    def rename(self, old: str, new: str) -> None: ...
    def remove(self, path: str) -> None: ...


class _Local:
    """The local file system."""

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
    """The file systems of a classic session."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark

    def _at(self, path: str) -> tuple[Any, Any]:
        jvm: Any = self.spark._jvm
        place = jvm.org.apache.hadoop.fs.Path(path)
        return place.getFileSystem(self.spark._jsc.hadoopConfiguration()), place

    def exists(self, path: str) -> bool:
        files, place = self._at(path)
        return bool(files.exists(place))

    def rename(self, old: str, new: str) -> None:
        files, place = self._at(old)
        # Hadoop would move the folder into an existing one.
        if files.exists(self._at(new)[1]) or not files.rename(place, self._at(new)[1]):
            raise IoError(f"{new}: the file system cannot rename {old} to it")

    def remove(self, path: str) -> None:
        files, place = self._at(path)
        files.delete(place, True)


class _Connect:
    """The files of a Connect server, which can be removed but not renamed."""

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark

    def exists(self, path: str) -> bool:
        from pyspark.errors import AnalysisException

        from mmlrs.engine.versions import condition_of

        try:
            _ = self.spark.read.format("binaryFile").load(path).schema
        except AnalysisException as error:
            if condition_of(error) == "PATH_NOT_FOUND":
                return False
            raise
        return True

    def rename(self, old: str, new: str) -> None:
        raise IoError(
            f"{new}: Spark Connect cannot rename {old}, and this machine has no access to it; save to another path"
        )

    def remove(self, path: str) -> None:
        from pyspark.ml.connect.readwrite import RemoteMLWriter

        RemoteMLWriter.handleOverwrite(path, True)


def is_connect(spark: SparkSession) -> bool:
    """Return whether this is a session of Spark Connect."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def in_session(spark: SparkSession | None) -> _Local | _Hadoop | _Connect:
    """Return the file system of a session, or without a session that of this process."""
    if spark is None:
        return _Local()
    return _Connect(spark) if is_connect(spark) else _Hadoop(spark)


def _temporary_path(path: str) -> str:
    """Return a new temporary path in the same folder."""
    head, slash, _ = path.rpartition("/")
    return f"{head}{slash}.mmlrs-{uuid.uuid4().hex}.part"


@contextlib.contextmanager
def atomic_file(where: str, path: PathLike, *, remedy: str = "") -> Iterator[IO[bytes]]:
    """Yield a local file to write, which appears at the path when the block ends. An existing file is replaced.

    `where` begins the messages of errors, and `remedy` ends that of a path that is not local.

    Raises
    ------
    InvalidParamError
        The path is no path, or not a local one.
    IoError
        The file cannot be written.
    """
    target = path_of(path, f"{where} param `path`")
    if is_remote(target):
        raise InvalidParamError(f"{where} param `path` must be a local path, got {target}{remedy}")
    target = os.path.realpath(local_path(target))
    temporary = _temporary_path(target)
    try:
        with open(temporary, "wb") as file:
            yield file
        os.replace(temporary, target)
    except OSError as error:
        if isinstance(error, MmlrsError):
            raise
        message = f"{where} {target} cannot be written: {error.strerror or error}"
        raise IoError(with_space(message, target, error)) from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def _has_parent(path: str) -> bool:
    """Return whether the path has a parent folder. A bucket has none."""
    return bool(re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/]*/?", "", path))


@contextlib.contextmanager
def atomic_folder(spark: SparkSession | None, path: str, *, overwrite: bool) -> Iterator[Place]:
    """Yield a place to write a stage to, which appears at the path when the block ends.

    Raises
    ------
    IoError
        The path already exists, and `overwrite` is not set.
    """
    path = path.rstrip("/") or path
    if not is_remote(path) and os.path.islink(local_path(path)):
        path = os.path.realpath(local_path(path))
    files = in_session(spark)
    if not overwrite and files.exists(path) and not _is_empty_here(path):
        raise IoError(f"{path}: already exists; use write().overwrite()")
    if not _has_parent(path) or (
        spark is not None and is_connect(spark) and not _is_visible_here(spark, path)
    ):
        with _in_place(spark, files, path) as place:
            yield place
        return
    temporary = _temporary_path(path)
    try:
        yield Place(temporary)
        # If this machine sees the files of the session, it can rename them.
        here = not is_remote(path) and os.path.isdir(local_path(temporary))
        _move_into_place(_Local() if here else files, temporary, path, overwrite=overwrite)
    except BaseException:
        _remove_quietly(files, temporary)
        raise


def _remove_quietly(files: Any, path: str) -> None:
    """Remove an unfinished folder. Errors are suppressed, so that they do not hide the original error."""
    for place in (files, _Local()):
        with contextlib.suppress(Exception):
            if place is files or not is_remote(path):
                place.remove(path)


def _move_into_place(files: _Files, finished: str, path: str, *, overwrite: bool) -> None:
    """Rename a finished folder to its path. An existing folder is removed afterwards."""
    replaced = None
    if files.exists(path):
        if not overwrite:
            raise IoError(f"{path}: already exists; use write().overwrite()")
        replaced = _temporary_path(path)
        files.rename(path, replaced)
    try:
        files.rename(finished, path)
    except BaseException:
        if replaced is not None:
            files.rename(replaced, path)
        raise
    if replaced is not None:
        files.remove(replaced)


def _is_empty_here(path: str) -> bool:
    """Return whether the path is an empty folder on this machine."""
    here = "" if is_remote(path) else local_path(path)
    return os.path.isdir(here) and not os.listdir(here)


def _is_visible_here(spark: SparkSession, path: str) -> bool:
    """Return whether this machine sees the files that a Connect server writes, by writing one."""
    if is_remote(path):
        return False
    probe = _temporary_path(path)
    spark.createDataFrame([("",)], "value string").write.text(probe)
    visible = os.path.isdir(local_path(probe))
    _remove_quietly(in_session(spark), probe)
    return visible


@contextlib.contextmanager
def _in_place(spark: SparkSession | None, files: Any, path: str) -> Iterator[Place]:
    """Yield a place at the path itself, next to the content of an older stage, which is removed at the end."""
    older = _older_content(spark, path) if files.exists(path) else []
    place = Place(path, f"content-{uuid.uuid4().hex}")
    try:
        yield place
    except BaseException:
        _remove_quietly(files, place.inside)
        raise
    for folder in older:
        files.remove(folder)


def _older_content(spark: SparkSession | None, path: str) -> list[str]:
    """Return the content folders of an existing stage at the path."""
    if spark is None:
        return []
    try:
        [row] = spark.read.text(f"{path}/metadata").take(1)
        content = json.loads(row[0]).get("content")
    except Exception:  # noqa: BLE001 - there is no stage, or a damaged one
        content = None
    return [content_folder(path, content)] if content else [f"{path}/models", f"{path}/stages"]
