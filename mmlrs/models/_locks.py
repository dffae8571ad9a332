"""Locks between processes and threads, as files."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmlrs._paths import with_space
from mmlrs.errors import IoError

__all__ = ["locked"]


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock file, waiting for its turn. Yield False on systems and file systems without locks."""
    handle = _lock(path)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _lock(path: Path) -> int | None:
    try:
        import fcntl
    except ImportError:
        return None
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o664)
        except OSError as error:
            raise IoError(with_space(f"cannot write {path}: {error.strerror}", str(path), error)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            held, current = os.fstat(handle), os.stat(path)
            if (held.st_dev, held.st_ino) == (current.st_dev, current.st_ino):
                return handle
        except FileNotFoundError:
            pass  # another program deleted the lock file: its next user would not wait for this one
        except OSError as error:
            os.close(handle)
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                return None
            raise IoError(f"cannot lock {path}: {error.strerror}") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
