"""Paths: what users give as one, and what data may become one."""

from __future__ import annotations

import errno
import os
import re
import shutil
from typing import Any, TypeAlias

from mmlrs.errors import InvalidParamError

__all__ = ["PathLike", "is_remote", "local_path", "path_of", "unsafe_name", "with_space"]

#: A path or URI as users give it.
PathLike: TypeAlias = "str | os.PathLike[str]"

#: Most bytes of a file's or folder's name on the usual file systems.
_NAME_BYTES = 255
#: Windows opens devices under these names, whatever their extension.
_DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{kind}{i}" for kind in ("COM", "LPT") for i in "0123456789¹²³"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def path_of(value: Any, where: str) -> str:
    """Return a path or URI as text; `~` is the home folder. `where` begins the error for anything else."""
    if not isinstance(value, str | os.PathLike):
        raise InvalidParamError(f"{where} must be a path, got {type(value).__name__} {value!r:.80}")
    text = os.fspath(value)
    if not isinstance(text, str):
        raise InvalidParamError(f"{where} must be a path as text, got {value!r:.80}")
    return os.path.expanduser(text) if text.startswith("~") else text


def is_remote(path: str) -> bool:
    """Has the path a scheme other than `file:`? One letter is the drive of a Windows path."""
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+:[/:]", path)) and not path.startswith("file:")


def local_path(path: str) -> str:
    """Return the place of a path or `file:` URI on this machine. As for Spark, `%` stands for itself."""
    if not path.startswith("file:"):
        return path
    rest = path.removeprefix("file:")
    return "/" + rest[2:].partition("/")[2] if rest.startswith("//") else rest


#: What systems say when a file cannot grow, also in the words of libraries that lose the number of the error.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_TEXTS = tuple(os.strerror(number) for number in _FULL)


def with_space(message: str, path: str, error: BaseException) -> str:
    """Return the message of an error of writing, and where the disk is full, how much space there is."""
    full = getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _FULL_TEXTS)
    if not full or is_remote(path):
        return message
    folder = os.path.abspath(local_path(path))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    space = shutil.disk_usage(folder)
    return f"{message}; {space.free:,} of {space.total:,} bytes are free at {folder}"


def unsafe_name(name: str) -> str | None:
    """Return why a name from data cannot be that of a file below a folder, or None where it can.

    Folders in front of it, `a/b`, are fine: what counts is that every system takes it for a place below the folder.
    """
    if not name:
        return "is empty"
    if _CONTROL.search(name):
        return "holds a control character"
    if "\\" in name:
        return "holds a backslash, which separates folders on some systems"
    if name.startswith(("/", "~")):
        return "does not begin in the folder"
    if re.match(r"[A-Za-z]:", name):
        return "begins with a drive letter"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return f"holds {part!r} between slashes" if not part else f"leads through `{part}`"
        if not part.strip(" ."):
            return f"holds {part!r}, which is no name on Windows"
        if part.partition(".")[0].rstrip().upper() in _DEVICES:
            return f"holds `{part}`, which is a device on Windows"
        if len(part.encode("utf-8", "surrogatepass")) > _NAME_BYTES:
            return f"is too long: more than {_NAME_BYTES} bytes between slashes"
    return None
