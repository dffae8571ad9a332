"""Files of remote file systems, through `pyarrow.fs` or fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

from mmlrs._progress import progress
from mmlrs.errors import IoError
from mmlrs.models._download import Download

__all__ = ["chunks", "transfer"]

_CHUNK = 1 << 20


def chunks(uri: str) -> Iterator[bytes]:
    """Read a file in parts.

    Raises
    ------
    IoError
        Neither `pyarrow.fs` nor fsspec can read it.
    """
    with closing(_opened(uri)) as stream:
        while True:
            try:
                data = stream.read(_CHUNK)
            except Exception as error:  # noqa: BLE001 - file systems raise errors of many libraries
                raise IoError(f"{uri}: {_cause(error)}") from None
            if not data:
                return
            yield bytes(data)


def _opened(uri: str) -> Any:
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
        return filesystem.open_input_stream(path)
    except (OSError, ValueError) as arrow_error:
        try:
            import fsspec  # type: ignore[import-not-found, import-untyped, unused-ignore]
        except ImportError:
            raise IoError(
                f"{uri}: {_cause(arrow_error)}; fsspec, which supports more schemes, is not installed"
            ) from None
    try:
        return fsspec.open(uri, "rb").open()
    except Exception as error:  # noqa: BLE001 - file systems raise errors of many libraries
        raise IoError(f"{uri}: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def transfer(job: Download, _alone: bool = True) -> None:
    """Copy a file of a remote file system, check and name it. A copy that fails leaves nothing."""
    part = job.target.with_name(f"{job.target.name}.{os.urandom(4).hex()}.incomplete")
    job.check_length(None)
    try:
        with (
            job.writing(part),
            part.open("wb") as file,
            progress(job.target.name, job.size, "B", scale=True) as bar,
        ):
            for data in chunks(job.url):
                if file.tell() + len(data) > job.max_bytes:
                    raise job.too_large("has more bytes")
                file.write(data)
                bar.update(len(data))
            file.flush()
            os.fsync(file.fileno())
        job.check(part)
        with job.writing(job.target):
            os.replace(part, job.target)
    finally:
        with suppress(OSError):
            part.unlink()
