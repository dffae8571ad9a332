"""Paths from users, and file names from data."""

from __future__ import annotations

import errno
import os
import re
import shutil
from typing import Any, TypeAlias

from mmlrs.errors import InvalidParamError

__all__ = ["PathLike", "is_remote", "local_path", "outside", "path_of", "unsafe_name", "with_space"]

#: A path or URI from a user.
PathLike: TypeAlias = "str | os.PathLike[str]"

#: Maximum number of bytes of a file or folder name on common file systems.
_NAME_BYTES = 255
#: Windows opens devices under these names, whatever their extension.
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{kind}{i}" for kind in ("COM", "LPT") for i in "0123456789¹²³"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def path_of(value: Any, where: str) -> str:
    """Return a path or URI as a string; `~` is the home folder. `where` begins the error message for other values."""
    if not isinstance(value, str | os.PathLike):
        raise InvalidParamError(f"{where} must be a path, got {type(value).__name__} {value!r:.80}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise InvalidParamError(f"{where} must be a path as a string, got {value!r:.80}")
    return os.path.expanduser(text) if text.startswith("~") else text


def is_remote(path: str) -> bool:
    """Return whether the path has a scheme other than `file:`. A single letter is the drive of a Windows path."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+:[/:]", path)) and not path.startswith("file:")


def local_path(path: str) -> str:
    """Return the local path of a path or `file:` URI. As in Spark, `%` is an ordinary character."""
    if not path.startswith("file:"):
        return path
    location = path.removeprefix("file:")
    return "/" + location[2:].partition("/")[2] if location.startswith("//") else location


#: Error numbers of a full disk, and their messages for libraries that lose the number.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_TEXTS = tuple(os.strerror(number) for number in _FULL)


def with_space(message: str, path: str, error: BaseException) -> str:
    """Return the message of a write error, with the free space if the disk is full."""
    full = getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _FULL_TEXTS)
    if not full or is_remote(path):
        return message
    folder = os.path.abspath(local_path(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    space = shutil.disk_usage(folder)
    return f"{message}; {space.free:,} of {space.total:,} bytes are free at {folder}"


def outside(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str | None:
    """Return the place that a path links to, if it is not below the folder, or None if it is."""
    real = os.path.realpath(path)
    return None if real.startswith(os.path.join(os.path.realpath(folder), "")) else real


def unsafe_name(name: str) -> str | None:
    """Return why a name from data is not safe as a file name below a folder, or None if it is safe.

    Subfolders, as in `a/b`, are safe. A name is safe if it stays below the folder on every system.
    """
    if not name:
        return "is empty"
    if _CONTROL.search(name):
        return "contains a control character"
    if "\\" in name:
        return "contains a backslash, which separates folders on some systems"
    if name.startswith(("/", "~")):
        return "is not a relative path"
    if re.match(r"[A-Za-z]:", name):
        return "begins with a drive letter"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return "contains an empty folder name" if not part else f"contains the part `{part}`"
        if not part.strip(" ."):
            return f"contains {part!r}, which is not a valid name on Windows"
        if part.partition(".")[0].rstrip().upper() in _DEVICES:
            return f"contains `{part}`, which is a device on Windows"
        if len(part.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
            return f"is too long: more than {_NAME_BYTES} bytes between slashes"
    return None
