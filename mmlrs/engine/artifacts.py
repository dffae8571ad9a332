"""Send models, and states of barrier jobs, to the workers: small ones in the function, larger ones as a file, once per node.

A stream of Spark Connect runs in a copy of the session, whose tasks do not get the session's files. Its models are in the function.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mmlrs import _native
from mmlrs._paths import with_space
from mmlrs._places import is_connect, reason_of
from mmlrs.engine.versions import send_file
from mmlrs.engine.worker import artifact_name
from mmlrs.errors import IoError, LimitExceededError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["INLINE_BYTES", "STREAM_BYTES", "empty_file", "payload", "send_chunks"]

INLINE_BYTES = 4 * 1024 * 1024
#: Maximum number of bytes of a model in a stream of Spark Connect. A message of Connect has at most 128 MiB.
STREAM_BYTES = 120 * 1024 * 1024

_sent: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()


def payload(sha256: str, session: SparkSession, df: DataFrame | None) -> bytes | None:
    """Return the bytes for the function, or None after sending them to the nodes as a file.

    `df` is the dataset of the function, if it is known.
    """
    data = _native.get_blob(sha256)
    if data is None:
        raise IoError(f"the model with SHA-256 {sha256} is not in this process")
    if len(data) <= INLINE_BYTES:
        return bytes(data)
    if df is not None and is_connect(session) and df.isStreaming:
        if len(data) > STREAM_BYTES:
            raise LimitExceededError(
                f"a model of {len(data):,} bytes cannot be part of a stream on Spark Connect, whose messages have at most 128 MiB; "
                "use a classic session"
            )
        return bytes(data)
    sent = _sent.setdefault(session, set())
    if sha256 not in sent:
        path = _file(sha256, data)
        try:
            send_file(session, path)
        except Exception as error:  # from the JVM, the connection, or a disk on either side
            message = (
                f"{path}: a model of {len(data):,} bytes cannot be sent to the workers: {reason_of(error)}"
            )
            raise IoError(with_space(message, path, error)) from error
        sent.add(sha256)
    return None


@lru_cache(maxsize=1)
def _folder(process: int) -> str:
    """Return the folder of the files that this process sends. It is removed with the process, not with a forked child."""
    try:
        folder = tempfile.mkdtemp(prefix="mmlrs-")
    except OSError as error:
        raise IoError(
            f"no temporary folder for models that are sent to the workers: {error.strerror or error}; set TMPDIR to a folder that "
            "can be written"
        ) from None

    def remove() -> None:
        if os.getpid() == process:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def send_chunks(session: SparkSession, name: str, chunks: Iterable[Any]) -> None:
    """Send bytes-like objects to the nodes as one file of a new name. `empty_file` frees its space.

    Every executor gets the file with its next task.
    """
    path = _written(name, chunks, "a state")
    try:
        send_file(session, path)
    except Exception as error:  # from the JVM, the connection, or a disk on either side
        message = f"{path}: a state cannot be sent to the workers: {reason_of(error)}"
        raise IoError(with_space(message, path, error)) from error
    finally:
        if is_connect(session):  # the server has it
            _discard(path)


def empty_file(session: SparkSession, name: str) -> None:
    """Free the space of a file that was sent, on the driver. A Connect server keeps its copy until the session ends.

    The file must stay, because Spark sends all files that it was ever given to each new executor.
    """
    if is_connect(session):
        return
    from pyspark import SparkFiles

    for path in (os.path.join(_folder(os.getpid()), name), SparkFiles.get(name)):
        with contextlib.suppress(OSError):
            os.truncate(path, 0)


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.remove(path)


def _file(sha256: str, data: bytes) -> str:
    """Return the path of a file with a model. Another thread may write the same file."""
    path = os.path.join(_folder(os.getpid()), artifact_name(sha256))
    if os.path.exists(path):
        return path
    return _written(artifact_name(sha256), [data], f"a model of {len(data):,} bytes")


def _written(name: str, chunks: Iterable[Any], what: str) -> str:
    """Return the path of a new file with the content."""
    path = os.path.join(_folder(os.getpid()), name)
    part = f"{path}.{uuid.uuid4().hex}.part"
    try:
        with open(part, "wb") as file:
            file.writelines(chunks)
        os.replace(part, path)
    except OSError as error:
        message = f"{path}: {what} cannot be written for the workers: {error.strerror}"
        raise IoError(with_space(message, path, error)) from None
    finally:
        _discard(part)
    return path
